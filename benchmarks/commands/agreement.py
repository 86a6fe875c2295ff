"""How near artefacts come to PyTorch, and to the truth."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.commands.options import JSON, give
from benchmarks.gpu_check.record import write_json
from benchmarks.texts import accuracy_text
from vmamba_deploy.errors import UsageError

if TYPE_CHECKING:
    from samples.training.sample import Sample


@click.command()
@click.option(
    "--preset",
    "presets",
    multiple=True,
    help="Or digits, fashion; may be repeated; default: all nine of VMamba.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    help="Or fp16-engine, int8-engine, auto, auto-engine; may be repeated; default: fp32, fp16 "
    "and bf16.",
)
@click.option("--batch", default="1,4,8", show_default=True, help="Of those that classify.")
@click.option("--output", default=Path("build/parity"), type=click.Path(path_type=Path))
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the table here.")
@JSON
def parity(
    presets: tuple[str, ...],
    precisions: tuple[str, ...],
    batch: str,
    output: Path,
    markdown: Path | None,
    json_path: Path | None,
) -> None:
    """Export every preset in every precision and print the parity figures as Markdown tables.

    With --json they are put among those that are in the file. What has been exported is read from
    the folder --output, so that a run can be stopped and go on.
    """
    from benchmarks.parity_table import WAYS, export_report, tables
    from benchmarks.quantized_parity import measured, with_rows
    from benchmarks.report.results import read_result
    from vmamba_deploy.models.vmamba.presets import PRESETS
    from vmamba_deploy.precisions import BASES

    if unknown := [name for name in precisions if name not in WAYS]:
        raise UsageError(f"there is no precision {unknown[0]}", hint=f"take of {', '.join(WAYS)}")
    reports = [
        export_report(preset, precision, batch, output)
        for preset in presets or tuple(PRESETS)
        for precision in precisions or BASES
    ]
    text = tables(reports)
    click.echo(text)
    if markdown is not None:
        markdown.write_text(text)
    if json_path is not None:
        rows = [measured(report) for report in reports]
        write_json(json_path, with_rows(read_result(json_path), rows, batch))


_JUDGED_IMAGES = click.option(
    "--images", type=click.IntRange(1), metavar="N", help="The first N test images only."
)


@click.command("digits-accuracy")
@_JUDGED_IMAGES
@JSON
def digits_accuracy_command(images: int | None, json_path: Path | None) -> None:
    """Accuracy of a trained network on real digits, in every runtime and precision."""
    from samples.train_digits.sample import DIGITS

    _give_accuracy(DIGITS, images, json_path)


@click.command("fashion-accuracy")
@_JUDGED_IMAGES
@JSON
def fashion_accuracy_command(images: int | None, json_path: Path | None) -> None:
    """The same on the 10,000 test images of Fashion-MNIST, fetched where they are not here."""
    from samples.train_fashion.sample import FASHION

    _give_accuracy(FASHION, images, json_path)


def _give_accuracy(sample: Sample, images: int | None, json_path: Path | None) -> None:
    from benchmarks.accuracy import measure_accuracy

    unseen = sample.read("test")
    unseen = unseen.first(images or len(unseen))
    with tempfile.TemporaryDirectory() as folder:
        report = measure_accuracy(sample, unseen, Path(folder), progress=click.echo)
    give(accuracy_text, report, json_path)
