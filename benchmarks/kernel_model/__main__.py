"""`python -m benchmarks.kernel_model`: see the commands' help."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.kernel_model.budget import (
    ARCHITECTURES as BUDGET_ARCHITECTURES,
)
from benchmarks.kernel_model.budget import (
    excesses,
    failure_text,
    measure,
    read_budget,
    write_budget,
)
from benchmarks.kernel_model.compiled import CompiledKernels, load_kernels
from benchmarks.kernel_model.gpus import GPUS
from benchmarks.kernel_model.listing import loop_tables
from benchmarks.kernel_model.measured import read_measured
from benchmarks.kernel_model.predict import Prediction, predict
from benchmarks.kernel_model.report import markdown
from benchmarks.kernel_model.tools import ARCHITECTURES, kernel_sources, machine_code
from benchmarks.op_shapes import BATCHES, OP_SHAPES
from vmamba_deploy.cli.program import run_program
from vmamba_deploy.errors import UsageError

_PAGE = Path("docs/kernel_resources.md")
_NUMBERS = Path("benchmarks/results/kernel_times_predicted.json")
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def main() -> None:
    """What the CUDA kernels cost, read from their machine code."""


@main.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1)
@click.option("--arch", default="90", show_default=True, help="Such as 90, or 80,90, or all.")
@click.option("--kernel", default="", help="Only kernels whose name has this pattern.")
@click.option("--opcodes", is_flag=True, help="Also count by opcode.")
@click.option("--waits", default=0, help="Also for whom a lone warp waits longest: so many lines.")
@click.option("--per", default=1.0, help="Divide by this, such as a thread's elements of a pass.")
@click.option("-I", "--include", multiple=True, type=click.Path(path_type=Path, exists=True))
def sass(
    source: tuple[Path, ...],
    arch: str,
    kernel: str,
    opcodes: bool,
    waits: int,
    per: float,
    include: tuple[Path, ...],
) -> None:
    """Print each loop's instructions by class, for SOURCE or for the op's own kernels."""
    for code in machine_code(source or kernel_sources(), _architectures(arch), include=include):
        click.echo(loop_tables(code, pattern=kernel, opcodes=opcodes, waits=waits, per=per))


def _architectures(text: str) -> list[int]:
    if text == "all":
        return list(ARCHITECTURES)
    try:
        return [int(each) for each in text.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--arch {text}: no architecture", hint="such as 90, 80,90 or all"
        ) from error


@main.command()
@click.option("--gpu", default="", help="Only GPUs whose name has this in it, such as H100.")
@click.option("--shape", default="", help="Only shapes whose name has this in it, such as D96.")
@click.option("--loops", is_flag=True, help="Also what each loop adds to the time of an item.")
def times(gpu: str, shape: str, loops: bool) -> None:
    """Print the predicted times, a line for each launch."""
    for each in _predictions(load_kernels(_needed(gpu)), gpu):
        if shape not in each.shape:
            continue
        click.echo(
            f"{each.gpu:16} {each.shape:16} batch {each.batch:3}: {each.total_us:8.1f} us, "
            f"{each.total_us / each.floor_us:5.1f}x the floor ({each.floor_bound}), "
            f"{each.speedup:5.1f}x the chain on an H100; {each.plan}, "
            f"x_proj {each.projection_us:.1f}"
        )
        for launch in each.launches:
            click.echo(
                f"    {launch.kernel}: {launch.blocks} blocks of {launch.block_warps} warps, "
                f"{launch.warps_per_scheduler:.2f} a scheduler, "
                f"{launch.instructions_per_element:.1f} instructions an element; compute "
                f"{launch.compute_us:.1f}, L2 {launch.l2_us:.1f}, memory {launch.dram_us:.1f} us"
            )
            for cost in launch.loops if loops else ():
                click.echo(
                    f"        {cost.total_cycles:9.0f} cycles = {cost.passes:6.1f} passes of "
                    f"{cost.cycles:6.0f}, {cost.instructions:5.0f} instructions: {cost.loop[:70]}"
                )


def _needed(gpu: str) -> list[int]:
    found = sorted({each.compute_capability for each in GPUS if gpu.lower() in each.name.lower()})
    if not found:
        names = ", ".join(each.name for each in GPUS)
        raise UsageError(f"--gpu {gpu}: not modelled", hint=f"one of {names}")
    return found


def _predictions(compiled: dict[int, CompiledKernels], gpu: str = "") -> list[Prediction]:
    return [
        predict(compiled[each.compute_capability], shape, batch, each)
        for each in GPUS
        if gpu.lower() in each.name.lower()
        for batch in BATCHES
        for shape in OP_SHAPES
    ]


@main.command()
@click.option("--write", is_flag=True, help="Make what the kernels cost now the budget.")
def budget(write: bool) -> None:
    """Compare the kernels with their budget; exit code 1 where they exceed it."""
    measured = measure(load_kernels(BUDGET_ARCHITECTURES))
    if write:
        write_budget(measured)
        return
    found = excesses(read_budget(), measured)
    if found:
        click.echo(failure_text(found), err=True)
        sys.exit(1)
    click.echo("within the budget")


@main.command()
@click.option("--page", type=_FILE, default=_PAGE, show_default=True)
@click.option("--json", "numbers", type=_FILE, default=_NUMBERS, show_default=True)
@click.option("--measured", type=_FILE, help="A record of make gpu-check, to stand beside.")
def report(page: Path, numbers: Path, measured: Path | None) -> None:
    """Compile for every architecture, predict for every GPU; write the page and the numbers."""
    timed = read_measured(measured) if measured else None
    compiled = load_kernels(ARCHITECTURES)
    costs = measure(compiled)
    predictions = _predictions(compiled)
    _write(page, markdown(compiled, costs, predictions, timed))
    rows = [_without_loops(asdict(each)) for each in predictions]
    _write(numbers, json.dumps({"kernels": costs, "predictions": rows}, indent=1) + "\n")
    click.echo(f"{page}\n{numbers}")


def _without_loops(row: dict[str, Any]) -> dict[str, Any]:
    """The loops are many; `times --loops` prints them."""
    for launch in row["launches"]:
        del launch["loops"]
    return row


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    run_program(main, "python -m benchmarks.kernel_model")
