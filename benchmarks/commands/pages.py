"""What is shown of the kept results."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a text is not up to date.")
@click.option(
    "--gpu",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A record of `make gpu-check`, to be kept in the repository.",
)
def report(check: bool, gpu: Path | None) -> None:
    """Write pages of docs/, figures, and tables of other pages from the kept results."""
    from benchmarks.report.page import stale_texts, write_all
    from benchmarks.report.results import keep_gpu_record

    if gpu is not None:
        keep_gpu_record(gpu)
    if not check:
        for path in write_all():
            click.echo(path)
    elif stale := stale_texts():
        names = ", ".join(path.name for path in stale)
        click.echo(f"not what the kept results give: {names}; run: python -m benchmarks report")
        sys.exit(1)
