"""`vmamba-deploy predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.parameters import max_pixels_option
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.runtimes.registry import runtime_choices

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal


@click.command("predict")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--artifact", required=True, type=click.Path(path_type=Path), metavar="DIR")
@click.option("--runtime", type=click.Choice(runtime_choices()), default="auto", show_default=True)
@click.option("--top-k", type=int, default=5, show_default=True, help="Classes per image.")
@max_pixels_option
@reporting
def command(
    terminal: Terminal, *, images: tuple[Path, ...], artifact: Path, **options: Any
) -> None:
    """Show the most probable classes of IMAGES."""
    from vmamba_deploy.cli.summary import table
    from vmamba_deploy.pipeline.predict import run_predict

    results = list(run_predict(images, artifact, **options))
    drawn = table(f"\nPredictions ({results[0].runtime})", "image", "class", ">index", ">share")
    for one in results:
        for place, best in enumerate(one.predictions):
            name = str(one.image) if place == 0 else ""
            drawn.add_row(name, best.label, str(best.index), f"{best.probability:.2%}")
    terminal.show(drawn)
    terminal.result(
        {
            "runtime": results[0].runtime,
            "activation": results[0].activation,
            "predictions": [{"image": one.image, "classes": one.predictions} for one in results],
        }
    )
