"""`vmamba-deploy bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vmamba_deploy.cli.parameters import BatchList, network_option
from vmamba_deploy.cli.reporting import reporting

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.user_network.request import Builder


@click.command("bench")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--batch", type=BatchList(), default="1", show_default=True)
@click.option("--repeats", type=int, default=10, show_default=True, help="Rounds per batch size.")
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: each runtime's own.")
@click.option("--weights", help="Weights for PyTorch, when they have moved.")
@reporting
@network_option
def command(
    terminal: Terminal,
    *,
    path: Path,
    batch: tuple[int, ...],
    repeats: int,
    threads: int,
    weights: str | None,
    network: Builder | None,
) -> None:
    """Measure latencies of the runtimes of PATH, an ONNX file or an artefact folder.

    Every round runs each of them once, so that a noisy machine disturbs all alike: PyTorch, ONNX
    Runtime with the function body and with our library, the same on CUDA where onnxruntime-gpu is,
    and AOTInductor where a package was exported. Ratios are to the first row: PyTorch, or stock
    ONNX Runtime where PATH is quantized.
    """
    from vmamba_deploy.cli.summary import table
    from vmamba_deploy.pipeline.bench import run_bench
    from vmamba_deploy.pipeline.engine import onnx_file_of
    from vmamba_deploy.pipeline.events import Steps

    steps = Steps(terminal.on_event)
    with steps.step("bench", f"measuring {path}"):
        latencies, skipped = run_bench(
            onnx_file_of(path),
            batches=batch,
            repeats=repeats,
            threads=threads,
            weights=weights,
            builder=network,
            progress=steps.progress,
        )
    drawn = table(
        "\nLatency", "runtime", ">batch", ">median ms", ">fastest ms", ">images/s", ">ratio"
    )
    for row in latencies:
        drawn.add_row(
            row.runtime,
            str(row.batch),
            f"{row.median_ms:.1f}",
            f"{row.fastest_ms:.1f}",
            f"{row.images_per_second:.1f}",
            f"{row.ratio:.2f}",
        )
    terminal.show(drawn)
    for name, reason in skipped.items():
        steps.warn(f"{name} was left out: {reason}")
    terminal.result({"latencies": latencies, "skipped": skipped})
