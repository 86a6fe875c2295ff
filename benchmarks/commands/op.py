"""The ops alone."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.commands.options import DEVICE, JSON, ON_GPU, ROUNDS, THREADS, TINY, give
from benchmarks.texts import counters_text, forms_text, op_text, rows_text


@click.command()
@DEVICE
@THREADS
@ROUNDS
@click.option(
    "--previous",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another libvmamba_cuda.so, timed beside this one; on a GPU.",
)
@TINY
@JSON
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

        give(op_text, compare_op(threads, rounds), json_path)
        return
    from benchmarks.gpu.op import time_op

    give(rows_text, time_op(device, tiny=tiny, previous=previous), json_path)


@click.command()
@click.option("--threads", default=1, show_default=True, help="Of our library.")
@ROUNDS
@click.option(
    "--previous",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another libvmamba_cpu.so, whose four routes are timed beside this one's.",
)
@JSON
def forms(threads: int, rounds: int, previous: Path | None, json_path: Path | None) -> None:
    """The general op on the CPU: what two routes and one cost of the time of four."""
    from benchmarks.scan_forms import compare_forms

    give(forms_text, compare_forms(threads, rounds, previous), json_path)


@click.command()
@ON_GPU
@TINY
@JSON
def sequences(device: str, tiny: bool, json_path: Path | None) -> None:
    """The scans of Vim, MambaVision and mamba_ssm, beside four routes at the same sizes."""
    from benchmarks.gpu.sequences import time_sequences

    give(rows_text, time_sequences(device, tiny=tiny), json_path)


@click.command()
@ON_GPU
@click.option("--tiny", is_flag=True, hidden=True)
@JSON
def chain(device: str, tiny: bool, json_path: Path | None) -> None:
    """Compile the reference chain for all shapes, and compare it with the op."""
    from benchmarks.gpu.chain import prepare_chain

    give(rows_text, prepare_chain(device), json_path)


@click.command()
@click.option("--device", type=click.Choice(["cuda"]), default="cuda", hidden=True)
@click.option("--seconds", default=60, show_default=True, help="Limit of the profiler.")
@JSON
def counters(device: str, seconds: int, json_path: Path | None) -> None:
    """Hardware counters of the op's kernels at four shapes; needs Nsight Compute."""
    from benchmarks.gpu.counters import profile_op

    give(counters_text, profile_op(seconds), json_path)
