"""`python -m benchmarks`: the one entry to every measurement."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.gpu_check.record import write_json
from benchmarks.texts import (
    accuracy_text,
    counters_text,
    dense_text,
    floor_text,
    forms_text,
    layers_text,
    model_text,
    op_text,
    rows_text,
    vim_text,
)
from vmamba_deploy.cli.reporting import run_program
from vmamba_deploy.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from samples.training.sample import Sample

_JSON = click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Write the results here."
)
_THREADS = click.option("--threads", default=2, show_default=True, help="Of every competitor.")
_ROUNDS = click.option("--rounds", default=15, show_default=True, help="Interleaved rounds.")
_DEVICE = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True
)
_ON_GPU = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cuda", show_default=True
)
_TINY = click.option("--tiny", is_flag=True, help="Small sizes: a rehearsal, no measurement.")


@click.group()
def main() -> None:
    """Measure, compare and report. Competitors take turns, so that noise meets all alike."""


@main.command()
@_DEVICE
@_THREADS
@_ROUNDS
@click.option(
    "--previous",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another libvmamba_cuda.so, timed beside this one; on a GPU.",
)
@_TINY
@_JSON
def op(
    device: str,
    threads: int,
    rounds: int,
    previous: Path | None,
    tiny: bool,
    json_path: Path | None,
) -> None:
    """The op: on the CPU against PyTorch and the ONNX body, on a GPU against the public chain."""
    if device == "cpu" and not tiny:
        from benchmarks.op_comparison import compare_op

        _give(op_text, compare_op(threads, rounds), json_path)
        return
    from benchmarks.gpu.op import time_op

    _give(rows_text, time_op(device, tiny=tiny, previous=previous), json_path)


@main.command()
@click.option("--threads", default=1, show_default=True, help="Of our library.")
@_ROUNDS
@click.option(
    "--previous",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another libvmamba_cpu.so, whose four routes are timed beside this one's.",
)
@_JSON
def forms(threads: int, rounds: int, previous: Path | None, json_path: Path | None) -> None:
    """The general op on the CPU: what two routes and one cost of the time of four."""
    from benchmarks.scan_forms import compare_forms

    _give(forms_text, compare_forms(threads, rounds, previous), json_path)


@main.command()
@_ON_GPU
@_TINY
@_JSON
def sequences(device: str, tiny: bool, json_path: Path | None) -> None:
    """The scans of Vim, MambaVision and mamba_ssm, beside four routes at the same sizes."""
    from benchmarks.gpu.sequences import time_sequences

    _give(rows_text, time_sequences(device, tiny=tiny), json_path)


@main.command()
@_ON_GPU
@click.option("--tiny", is_flag=True, hidden=True)
@_JSON
def machine(device: str, tiny: bool, json_path: Path | None) -> None:
    """The machine, its tools, and what a copy and a product reach on its GPU."""
    from benchmarks.gpu.machine import describe

    _give(rows_text, describe(device), json_path)


@main.command()
@_ON_GPU
@click.option("--tiny", is_flag=True, hidden=True)
@_JSON
def chain(device: str, tiny: bool, json_path: Path | None) -> None:
    """Compile the reference chain for all shapes, and compare it with the op."""
    from benchmarks.gpu.chain import prepare_chain

    _give(rows_text, prepare_chain(device), json_path)


@main.command()
@_ON_GPU
@_TINY
@_JSON
def resolutions(device: str, tiny: bool, json_path: Path | None) -> None:
    """What a pixel of the image costs in VMamba-T at five sizes of image."""
    from benchmarks.gpu.network import time_resolutions

    _give(rows_text, time_resolutions(device, tiny=tiny), json_path)


@main.command()
@_ON_GPU
@_TINY
@_JSON
def layers(device: str, tiny: bool, json_path: Path | None) -> None:
    """The time of every operation of VMamba-T in fp16 at batch 128."""
    from benchmarks.gpu.network import time_layers

    _give(layers_text, time_layers(device, tiny=tiny), json_path)


@main.command()
@click.option("--device", type=click.Choice(["cuda"]), default="cuda", hidden=True)
@click.option("--seconds", default=60, show_default=True, help="Limit of the profiler.")
@_JSON
def counters(device: str, seconds: int, json_path: Path | None) -> None:
    """Hardware counters of the op's kernels at four shapes; needs Nsight Compute."""
    from benchmarks.gpu.counters import profile_op

    _give(counters_text, profile_op(seconds), json_path)


@main.command()
@click.option("--model", "preset", default="t", show_default=True)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True)
@click.option("--image-size", type=click.IntRange(32), default=224, show_default=True)
@_DEVICE
@click.option(
    "--competitor",
    "names",
    multiple=True,
    help="May be repeated; default: all but those that compile for minutes.",
)
@_THREADS
@_ROUNDS
@_TINY
@_JSON
def model(
    preset: str,
    batch: int,
    image_size: int,
    device: str,
    names: tuple[str, ...],
    threads: int,
    rounds: int,
    tiny: bool,
    json_path: Path | None,
) -> None:
    """A whole network: every runtime of this machine, fp32 on the CPU and fp16 on a GPU."""
    from benchmarks.competitors import Entrants, chosen_competitors, compare_model
    from benchmarks.networks import REHEARSED

    if tiny:  # whatever was asked for, in its smallest form on the CPU
        preset, batch, image_size, rounds = REHEARSED, 2, 32, 2
        names = ("pytorch-plain-chain",)
    chosen_competitors(device, names)  # a wrong name is told before minutes of export
    with tempfile.TemporaryDirectory() as folder:
        entrants = Entrants(preset, batch, threads, device, Path(folder), image_size)
        results = compare_model(entrants, rounds, names)
    _give(model_text, results, json_path)
    if results["failed"]:
        sys.exit(int(ExitCode.PARITY_FAILED))


@main.command()
@_THREADS
@click.option("--rounds", default=5, show_default=True, help="Interleaved rounds.")
@_JSON
def dense(threads: int, rounds: int, json_path: Path | None) -> None:
    """Segmentation and detection in ONNX Runtime: time, memory and the ops' share, on the CPU."""
    from benchmarks.dense_networks import compare_dense

    _give(dense_text, compare_dense(threads, rounds), json_path)


@main.command()
@_THREADS
@click.option("--rounds", default=40, show_default=True, help="Interleaved rounds.")
@_JSON
def vim(threads: int, rounds: int, json_path: Path | None) -> None:
    """Vim-tiny beside DeiT-Ti in ONNX Runtime on the CPU, and what neither can be faster than."""
    from benchmarks.beside_deit import compare_beside_deit

    _give(vim_text, compare_beside_deit(threads, rounds), json_path)


@main.command()
@click.option("--only", "names", multiple=True, help="A contender such as VMamba-T; repeatable.")
@click.option("--runtime", "runtimes", multiple=True, help="Default: onnxruntime and openvino.")
@click.option("--precision", "precisions", multiple=True, help="Default: fp32 and int8.")
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=(1, 8))
@click.option(
    "--size", "sides", multiple=True, type=click.IntRange(32), help="Of images, in pixels."
)
@_THREADS
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
@_JSON
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


@main.command()
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
@_JSON
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


@main.command("digits-accuracy")
@_JUDGED_IMAGES
@_JSON
def digits_accuracy_command(images: int | None, json_path: Path | None) -> None:
    """Accuracy of a trained network on real digits, in every runtime and precision."""
    from samples.train_digits.sample import DIGITS

    _give_accuracy(DIGITS, images, json_path)


@main.command("fashion-accuracy")
@_JUDGED_IMAGES
@_JSON
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
    _give(accuracy_text, report, json_path)


@main.command("network-floor")
@click.option("--model", "preset", default="t", show_default=True)
@click.option("--batch", "batches", multiple=True, type=click.IntRange(1), default=(128, 1))
@_JSON
def network_floor_command(preset: str, batches: tuple[int, ...], json_path: Path | None) -> None:
    """The least time of every layer on an H100, from its bytes, products and special functions."""
    from benchmarks.network_floor import network_floor
    from vmamba_deploy.models import resolve_preset

    _give(floor_text, network_floor(resolve_preset(preset).name, batches), json_path)


@main.command()
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


@main.command("gpu-check", context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def gpu_check(arguments: tuple[str, ...]) -> None:
    """The same as `make gpu-check`; takes its options."""
    from benchmarks.gpu_check.__main__ import main as check

    sys.exit(check(arguments))


@main.command("gpu-kit")
@click.option("--arch", default="90", show_default=True, help="CUDA architecture, such as 90.")
@click.option(
    "--output",
    default=Path("build/gpu_kit.tar.gz"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
def gpu_kit(arch: str, output: Path) -> None:
    """Pack what `make gpu-check` needs on a machine with no network, prebuilt for one GPU."""
    from benchmarks.gpu_check.kit import PREBUILT, TOP, write_kit

    size_bytes = write_kit(output, arch)
    click.echo(
        f"{output}: {size_bytes / 1e6:.1f} MB; there: tar xf {output.name}, cd {TOP}, "
        f"python3 -m benchmarks.gpu_check --prebuilt {PREBUILT}"
    )


def _give(text: Any, results: dict[str, Any], json_path: Path | None) -> None:
    click.echo(text(results))
    if json_path is not None:
        write_json(json_path, results)


if __name__ == "__main__":
    run_program(main, "python -m benchmarks")
