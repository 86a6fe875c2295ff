"""Options that several commands share, and how all give their results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.gpu_check.record import write_json
from benchmarks.texts import Results

JSON = click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Write the results here."
)
THREADS = click.option("--threads", default=2, show_default=True, help="Of every competitor.")
ROUNDS = click.option("--rounds", default=15, show_default=True, help="Interleaved rounds.")
DEVICE = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True
)
ON_GPU = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cuda", show_default=True
)
TINY = click.option("--tiny", is_flag=True, help="Small sizes: a rehearsal, no measurement.")


def give(text: Callable[[Results], str], results: dict[str, Any], json_path: Path | None) -> None:
    """Print the results, and write them where `--json` says."""
    click.echo(text(results))
    if json_path is not None:
        write_json(json_path, results)
