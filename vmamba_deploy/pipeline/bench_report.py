"""The file that a measurement of latencies is kept in: data, or a page."""

from __future__ import annotations

import shlex
from pathlib import Path

from vmamba_deploy.errors import UsageError
from vmamba_deploy.extras import require_modules
from vmamba_deploy.files import file_sha256, shown
from vmamba_deploy.pipeline.bench import BenchOutcome, BenchPlan
from vmamba_deploy.reports.bench import BenchReport
from vmamba_deploy.reports.bench_page import render_bench
from vmamba_deploy.reports.evaluation_views.view import MadeWith
from vmamba_deploy.reports.html_file import write_page
from vmamba_deploy.reports.json_file import write_json
from vmamba_deploy.reports.machine import describe_machine, tool_versions, utc_now
from vmamba_deploy.runtimes.cuda_driver import find_gpus

_JSON, _PAGE = ".json", ".html"


def check_report_file(file: Path) -> None:
    """Refuse before long work a report that could not be written.

    Raises:
        UsageError: another ending, or its folder is not there.
        EnvironmentProblem: what draws pages is not installed.
    """
    if file.suffix not in (_JSON, _PAGE):
        raise UsageError(
            f"{shown(file)} is neither data nor a page", hint="end it with .json or .html"
        )
    if not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {shown(file.absolute().parent)}")
    if file.suffix == _PAGE:
        require_modules("jinja2", "matplotlib")


def write_bench_report(file: Path, path: Path, plan: BenchPlan, outcome: BenchOutcome) -> None:
    """Write what was measured of PATH, as the file's ending says.

    Raises:
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    facts = outcome.facts
    report = BenchReport(
        network=facts.preset or path.resolve().name,
        precision=facts.precision,
        onnx_sha256=file_sha256(facts.path, what="an ONNX file"),
        command=bench_command(path, plan),
        rounds=plan.pace.rounds,
        seconds=plan.pace.seconds,
        warmup=plan.warmup,
        threads=plan.threads,
        latencies=tuple(outcome.latencies),
        skipped=outcome.skipped,
        profiles=tuple(outcome.profiles),
        unprofiled=outcome.unprofiled,
        created=utc_now(),
        made_with=MadeWith(describe_machine(), tool_versions()),
        gpus=tuple(str(gpu) for gpu in find_gpus().gpus),
    )
    if file.suffix == _JSON:
        write_json(report, file)
    else:
        write_page(render_bench(report), file)


def bench_command(path: Path, plan: BenchPlan) -> str:
    """The command that measures the same again."""
    words = ["vmamba-deploy", "bench", str(path), "--batch", ",".join(map(str, plan.batches))]
    for name in plan.runtimes:
        words += ["--runtime", name]
    for option, value in (
        ("--repeats", plan.repeats),
        ("--duration", plan.duration),
        ("--warmup", plan.warmup),
        ("--streams", plan.streams),
        ("--threads", plan.threads),
        ("--weights", plan.weights),
        ("--network", plan.builder and f"{plan.builder.path}:{plan.builder.function}"),
    ):
        words += [option, f"{value:g}" if isinstance(value, float) else str(value)] if value else []
    return shlex.join([*words, *(["--profile"] if plan.profile else [])])
