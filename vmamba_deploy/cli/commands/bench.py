"""`vmamba-deploy bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.parameters import BatchList, network_option
from vmamba_deploy.cli.reporting import reporting

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.user_network.request import Builder

_MAX_SECONDS = 86400


@click.command("bench")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--batch", type=BatchList(), default="1", show_default=True, help="Batch sizes.")
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    metavar="NAME",
    help="Measure this one; may be given several times: pytorch, onnxruntime-body, "
    "onnxruntime-library (ort), onnxruntime-cuda, openvino, tensorrt (trt), tensorrt_rtx (rtx), "
    "aotinductor.  [default: all that there is]",
)
@click.option(
    "--repeats",
    "--iterations",
    "repeats",
    type=click.IntRange(1),
    help="At least so many rounds per batch size.  [default: 10, with --duration 1]",
)
@click.option(
    "--duration",
    type=click.FloatRange(0, _MAX_SECONDS, min_open=True),
    metavar="SECONDS",
    help="Measure each runtime at least so long at each batch size.",
)
@click.option(
    "--warmup",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Calls of each stream before the first round.",
)
@click.option(
    "--streams",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    help="Sessions of each runtime that are called side by side.",
)
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="0: each runtime's own.")
@click.option("--profile", is_flag=True, help="Show which nodes and layers take the time.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it all to FILE.json, or to the page FILE.html.",
)
@click.option("--weights", help="Weights for PyTorch, when they have moved.")
@reporting
@network_option
def command(
    terminal: Terminal,
    *,
    path: Path,
    batch: tuple[int, ...],
    network: Builder | None,
    report: Path | None,
    **options: Any,
) -> None:
    """Measure latencies of the runtimes of PATH, an ONNX file or an artefact folder.

    Every round runs each of them, so that a noisy machine disturbs all alike: PyTorch, ONNX Runtime
    with the function body and with our library, the same on CUDA where onnxruntime-gpu is,
    OpenVINO, a folder's TensorRT engine where it fits the GPU, and AOTInductor where a package was
    exported. Speed-ups are over the first row: PyTorch, or stock ONNX Runtime where PATH is
    quantized.
    """
    from vmamba_deploy.cli.bench_tables import latency_table, profile_tables
    from vmamba_deploy.pipeline.bench import BenchPlan, run_bench
    from vmamba_deploy.pipeline.bench_report import check_report_file, write_bench_report
    from vmamba_deploy.pipeline.events import Steps

    plan = BenchPlan(batches=batch, builder=network, **options)
    if report is not None:
        check_report_file(report)
    steps = Steps(terminal.on_event)
    with steps.step("bench", f"measuring {path}"):
        outcome = run_bench(path, plan, steps.progress)
    if report is not None:
        with steps.step("report", "writing the report") as told:
            write_bench_report(report, path, plan, outcome)
            told.append(str(report))
    terminal.show(latency_table(outcome.latencies))
    for profile in outcome.profiles:
        for drawn in profile_tables(profile):
            terminal.show(drawn)
    for name, reason in outcome.skipped.items():
        steps.warn(f"{name} was left out: {reason}")
    for name, reason in outcome.unprofiled.items():
        steps.warn(f"{name} has no profile: {reason}")
    terminal.result(outcome.as_json())
