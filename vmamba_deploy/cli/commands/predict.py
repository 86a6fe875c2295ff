"""`vmamba-deploy predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.parameters import ImageSize, artifact_and_images, max_pixels_option
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.errors import UsageError
from vmamba_deploy.runtimes.registry import runtime_choices

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.inference import Slide


@click.command("predict")
@click.option("--runtime", type=click.Choice(runtime_choices()), default="auto", show_default=True)
@click.option("--top-k", type=int, default=5, show_default=True, help="Classes per image.")
@click.option(
    "--score-threshold",
    type=click.FloatRange(0, 1),
    default=0.3,
    show_default=True,
    help="Leave out detections below.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Draw what was segmented or detected: NAME.overlay.png, and NAME.labels.png of classes.",
)
@click.option("--window", type=ImageSize(), help="Segment through windows of this size.")
@click.option("--stride", type=ImageSize(), help="From one window to the next.")
@max_pixels_option
@reporting
@artifact_and_images
def command(
    terminal: Terminal,
    *,
    images: tuple[Path, ...],
    artifact: Path,
    runtime: str,
    window: tuple[int, int] | None,
    stride: tuple[int, int] | None,
    **options: Any,
) -> None:
    """Show what ARTIFACT, a folder, says of images: classes, or what is where in them."""
    from vmamba_deploy.cli.prediction_tables import as_fields, predictions_table
    from vmamba_deploy.pipeline.predict import Look, run_predict

    look = Look(slide=_slide(window, stride), **options)
    results = list(run_predict(images, artifact, look, runtime=runtime))
    terminal.show(predictions_table(results))
    if terminal.as_json:  # masks as run lengths take a while
        terminal.result(as_fields(results))


def _slide(window: tuple[int, int] | None, stride: tuple[int, int] | None) -> Slide | None:
    from vmamba_deploy.inference import Slide

    if window is None and stride is not None:
        raise UsageError("--stride is of no use without windows", hint="give --window too")
    return Slide(window, stride or window) if window is not None else None
