"""Networks of this package beside others."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from benchmarks.commands.options import JSON, THREADS
from vmamba_deploy.errors import ExitCode


@click.command()
@click.option("--only", "names", multiple=True, help="A contender such as VMamba-T; repeatable.")
@click.option("--runtime", "runtimes", multiple=True, help="Default: onnxruntime and openvino.")
@click.option("--precision", "precisions", multiple=True, help="Default: fp32 and int8.")
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=(1, 8))
@click.option(
    "--size", "sides", multiple=True, type=click.IntRange(32), help="Of images, in pixels."
)
@THREADS
@click.option("--seconds", default=0.7, show_default=True, help="Of calls in each cell, about.")
@click.option(
    "--files",
    "folder",
    default=Path("build/compare"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the ONNX files are kept.",
)
@click.option("--prepare", is_flag=True, help="Make the ONNX files and measure nothing.")
@click.option("--resume", is_flag=True, help="Keep what the file of --json has.")
@JSON
def compare(
    names: tuple[str, ...],
    runtimes: tuple[str, ...],
    precisions: tuple[str, ...],
    batches: tuple[int, ...],
    sides: tuple[int, ...],
    threads: int,
    seconds: float,
    folder: Path,
    prepare: bool,
    resume: bool,
    json_path: Path | None,
) -> None:
    """VMamba and Vim beside Swin, ConvNeXt, DeiT, ResNet and RegNetY as deployed files, on the CPU.

    Needs timm for the others: pip install "vmamba-deploy[compare]". The record is written after
    each contender, so that a run can be stopped, and go on with --resume.
    """
    from benchmarks.compare import comparison
    from benchmarks.compare.comparison import asked_for
    from benchmarks.compare.files import Files
    from benchmarks.compare.record import Record
    from benchmarks.compare.text import bars_text, group_text

    contenders = comparison.chosen(names)
    asked = asked_for(runtimes, precisions, batches, sides, threads, seconds)
    record, files = Record(asked, contenders, json_path, resume=resume), Files(folder)
    comparison.prepare(contenders, asked, files, click.echo)
    if prepare:
        return
    todo = comparison.missing(contenders, asked, record)
    click.echo(f"about {comparison.estimated_minutes(todo, asked, files):.0f} minutes")
    comparison.run(todo, asked, files, record, lambda group: click.echo(group_text(group)))
    click.echo(bars_text(record.value))
    if record.failed:
        sys.exit(int(ExitCode.PARITY_FAILED))
