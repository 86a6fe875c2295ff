"""One evaluation: data, journal, work here or on a cluster, figures, files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vmamba_deploy.artifacts.atomic import make_folder
from vmamba_deploy.artifacts.locking import exclusive
from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, ONNX_NAME, Manifest, describe_file
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import ExitCode, InputFileError, UsageError
from vmamba_deploy.evaluation.journal import Identity, open_journal
from vmamba_deploy.evaluation.judging import Thresholds, option_of
from vmamba_deploy.evaluation.report_data import (
    ArtifactInfo,
    DataInfo,
    EvaluationReport,
    RunInfo,
    data_name,
)
from vmamba_deploy.evaluation.running import open_evaluator
from vmamba_deploy.evaluation.samples import DataSet
from vmamba_deploy.evaluation.scorer import Source, Work
from vmamba_deploy.evaluation.scorers import scorer_of
from vmamba_deploy.evaluation.thumbnails import make_thumbnails
from vmamba_deploy.extras import require_modules
from vmamba_deploy.pipeline.events import OnEvent, Steps
from vmamba_deploy.pipeline.pytorch_reference import PyTorchReference
from vmamba_deploy.preprocessing import MAX_PIXELS
from vmamba_deploy.reports.csv_file import write_csv
from vmamba_deploy.reports.evaluation_page import render_evaluation
from vmamba_deploy.reports.evaluation_views import evaluation_document, view_of
from vmamba_deploy.reports.html_file import write_page
from vmamba_deploy.reports.json_file import write_json
from vmamba_deploy.reports.machine import utc_now
from vmamba_deploy.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from vmamba_deploy.evaluation.distributed import Cluster
    from vmamba_deploy.evaluation.journal import Journal
    from vmamba_deploy.evaluation.running import BatchOutcome
    from vmamba_deploy.evaluation.samples import Batch
    from vmamba_deploy.evaluation.timing import Timing


JOURNAL_NAME = "journal.jsonl"
JSON_NAME, HTML_NAME, CSV_NAME = "evaluation.json", "evaluation.html", "predictions.csv"
REPORT_NAMES = (JSON_NAME, HTML_NAME, CSV_NAME)


@dataclass(frozen=True)
class EvaluationOutcome:
    """The report and the folder that it was written to."""

    report: EvaluationReport[Any]
    folder: Path

    @property
    def exit_code(self) -> ExitCode:
        """6 when a threshold was missed."""
        return ExitCode.PARITY_FAILED if self.report.shortfalls else ExitCode.OK


def run_evaluation(plan: EvaluationPlan, on_event: OnEvent) -> EvaluationOutcome:
    """Evaluate an artefact on labelled images and write evaluation.json, its page and
    predictions.csv.

    What is done is in the journal at once: an interrupted run goes on from there when it is called
    again with an equal plan.

    Raises:
        UsageError: numbers that make no sense, ambiguous classes, or a journal of something else.
        InputFileError: data or an image that cannot be read, or weights that are gone.
        IntegrityError: the artefact folder is not what its manifest says.
        EnvironmentProblem: the runtime or Ray cannot run here.
        ResourceError: another process writes the output folder, or the disk is full.
    """

    check_plan(plan)
    steps = Steps(on_event)
    with steps.step("data", f"reading {plan.source.data}") as told:
        manifest = _read_artifact(plan)
        scorer = scorer_of(manifest.task)
        plan = replace(plan, batch=plan.batch or scorer.usual_batch)
        every = scorer.read_data(plan.source, manifest)
        data = every.limited(plan.limit)
        identity = _identity(plan, manifest, data)
        told += [f"{len(data.samples)} images", f"{data.rule}"]
    if every.ignored:
        steps.warn(f"left out, no images by their suffix: {every.ignored} files")
    with (
        _locked(plan.folder()) as folder,
        open_journal(folder / JOURNAL_NAME, identity, scorer.result, resume=plan.resume) as journal,
    ):
        with steps.step("evaluate", "evaluating") as told:
            run = evaluate_pending(plan, manifest, data, journal, steps)
            summary = scorer.summarise(data, journal.results.values(), top_k=identity.top_k)
            told += _told(run, summary.timing, journal.runtime)
        with steps.step("report", "writing the report") as told:
            report = EvaluationReport(
                task=manifest.task,
                artifact=_artifact_info(plan, manifest, identity, journal),
                data=_data_info(plan, every, data, identity),
                run=run,
                summary=summary,
                thresholds=plan.thresholds,
                against=identity.against,
                shortfalls=tuple(scorer.shortfalls(summary, plan.thresholds)),
                created=utc_now(),
            )
            write_csv(scorer.table(data, journal.results.values()), folder / CSV_NAME)
            told.append(str(_write(plan, report, data)))
    return EvaluationOutcome(report, folder)


def _read_artifact(plan: EvaluationPlan) -> Manifest:
    """The manifest of a verified folder that can be evaluated as asked.

    Raises:
        UsageError: it is for another task than said, or the task has no such figure or reference.
    """
    folder = plan.artifact
    if not folder.is_dir():
        raise InputFileError(
            f"there is no artefact folder {folder}", hint="`vmamba-deploy export` makes one"
        )
    manifest = verify(folder)
    if plan.task is not None and plan.task != manifest.task:
        raise UsageError(f"{folder} is for the task {manifest.task}, not {plan.task}")
    scorer = scorer_of(manifest.task)
    scorer.check(manifest, folder)
    if unfit := plan.thresholds.given - scorer.thresholds:
        options = ", ".join(sorted(map(option_of, unfit)))
        raise UsageError(
            f"{options}: the task {manifest.task} has no such figure",
            hint=f"it has {', '.join(sorted(map(option_of, scorer.thresholds)))}",
        )
    if plan.source.layout is not None and manifest.task != CLASSIFICATION.name:
        raise UsageError(f"--layout is of classes, {folder} is for the task {manifest.task}")
    if plan.against is not None and "max_changed" not in scorer.thresholds:
        raise UsageError(
            f"--against is for classes of images, {folder} is for the task {manifest.task}",
            hint=f"`vmamba-deploy compare {folder}` compares its answers with PyTorch's",
        )
    return manifest


def _identity(plan: EvaluationPlan, manifest: Manifest, data: DataSet[Any]) -> Identity:
    against = None
    if plan.against is not None:
        against = f"PyTorch fp32, weights {manifest.weights.sha256[:16]}"
    manifest_file = describe_file(plan.artifact / MANIFEST_NAME)
    return Identity(
        manifest_sha256=manifest_file.sha256,
        data_sha256=data.fingerprint(),
        images=len(data.samples),
        batch=_batch(plan),
        top_k=min(plan.top_k, len(data.class_names)),
        against=against,
        skip_unreadable=plan.skip_unreadable,
        task=manifest.task,
    )


def _batch(plan: EvaluationPlan) -> int:
    assert plan.batch is not None  # filled in once the task is known
    return plan.batch


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """The output folder, made and held for this process alone."""
    make_folder(folder)
    with exclusive(folder / ".lock", what=f"folder {folder}"):
        yield folder


def _told(run: RunInfo, timing: Timing | None, runtime: str | None) -> list[str]:
    """How many images, and how fast: each network alone, then everything together."""
    parts = [f"{run.images} images"]
    if run.resumed:
        parts.append(f"{run.resumed} from the journal")
    if timing is not None:
        parts.append(f"{runtime} alone {timing.inference.images_per_second:.1f} images/s")
        if timing.reference is not None:
            parts.append(f"PyTorch alone {timing.reference.images_per_second:.1f} images/s")
    if run.images_per_second is not None:
        parts.append(f"the whole run {run.images_per_second:.1f} images/s")
    return parts


def _artifact_info(
    plan: EvaluationPlan, manifest: Manifest, identity: Identity, journal: Journal[Any]
) -> ArtifactInfo:
    return ArtifactInfo(
        folder=str(plan.artifact),
        name=plan.artifact.resolve().name,
        manifest_sha256=identity.manifest_sha256,
        preset=manifest.preset,
        precision=manifest.precision,
        runtime=journal.runtime or plan.runtime,
    )


def _data_info(
    plan: EvaluationPlan, every: DataSet[Any], data: DataSet[Any], identity: Identity
) -> DataInfo:
    return DataInfo(
        source=str(data.source),
        name=data_name(data.source, plan.source.split),
        kind=data.kind,
        available=len(every.samples),
        images=len(data.samples),
        class_names=data.class_names,
        rule=data.rule,
        fingerprint=identity.data_sha256,
    )


def _write(plan: EvaluationPlan, report: EvaluationReport[Any], data: DataSet[Any]) -> Path:
    """Write JSON and page, each whole or not at all; returns the page."""
    folder = plan.folder()
    write_json(evaluation_document(report), folder / JSON_NAME)
    pictured = view_of(report).pictured(report.summary)
    thumbnails = make_thumbnails(data, pictured, max_pixels=plan.max_pixels)
    write_page(render_evaluation(replace(report, thumbnails=thumbnails)), folder / HTML_NAME)
    return folder / HTML_NAME


@dataclass(frozen=True)
class EvaluationPlan:
    """What the user asked for.

    Attributes:
        source: the data, and how they are meant.
        artifact: the artefact folder.
        output: folder of the journal and the reports; None: `evaluations/<artefact's name>`.
        against: `pytorch` to run every image through PyTorch in fp32 too.
        weights: where the weights are, when not where the artefact says.
        runtime: `auto`, `trt`, `rtx`, `ort`, `ort-cuda` or `openvino`.
        batch: images per batch; None: what is usual for the task.
        limit: evaluate so many images, evenly spread; None: all.
        loader_threads: that read images, per process; 0: one per core here, one per Ray worker.
        threads: of the runtime and of PyTorch; 0 leaves the number to them.
        top_k: the k of top-k accuracy.
        task: what the artefact must be for; None: whatever it is.
        skip_unreadable: leave out images that cannot be read.
        max_pixels: larger images cannot be read.
        resume: go on from the journal of an earlier run.
        thresholds: what to reach.
        cluster: run on Ray; None: in this process.
    """

    source: Source
    artifact: Path
    output: Path | None = None
    against: Literal["pytorch"] | None = None
    weights: str | None = None
    runtime: str = "auto"
    batch: int | None = None
    limit: int | None = None
    loader_threads: int = 0
    threads: int = 0
    top_k: int = 5
    task: str | None = None
    skip_unreadable: bool = False
    max_pixels: int = MAX_PIXELS
    resume: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)
    cluster: Cluster | None = None

    def folder(self) -> Path:
        """Where the journal and the reports go."""
        return self.output or Path("evaluations") / self.artifact.resolve().name


def check_plan(plan: EvaluationPlan) -> None:
    """Refuse numbers that make no sense, and work whose page could not be written.

    Raises:
        UsageError: names the option.
        EnvironmentProblem: what makes the page, or what is asked for, is not installed.
    """
    reference = ("torch", "onnx") if plan.against is not None else ()
    require_modules("jinja2", "matplotlib", *reference)
    least = {
        "batch": 1 if plan.batch is None else plan.batch,
        "top-k": plan.top_k,
        "limit": 1 if plan.limit is None else plan.limit,
    }
    for name, value in least.items():
        if value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    if plan.thresholds.max_changed is not None and plan.against is None:
        raise UsageError("--max-changed needs --against pytorch to compare with")


def evaluate_pending(
    plan: EvaluationPlan,
    manifest: Manifest,
    data: DataSet[Any],
    journal: Journal[Any],
    steps: Steps,
) -> RunInfo:
    """Run the batches that the journal lacks.

    Raises:
        InputFileError: an image or the weights cannot be read.
        EnvironmentProblem: the runtime or Ray cannot run here.
        UsageError: the journal is of another runtime.
    """
    pending = [batch for batch in data.batches(_batch(plan)) if not journal.is_done(batch.start)]
    resumed = len(journal.results)
    if resumed:
        steps.progress(f"{resumed} images are in the journal", resumed / len(data.samples))
    tally, workers = scorer_of(manifest.task).tally(data), set[str]()
    for result in journal.results.values():
        tally.add(result)
    work = _work(plan, manifest)
    try:
        with _outcomes(plan, work, pending) as outcomes:
            started = time.perf_counter()
            for outcome in outcomes:
                journal.append(outcome.runtime, outcome.results)
                workers.add(outcome.worker)
                for result in outcome.results:
                    tally.add(result)
                steps.progress(tally.text(), len(journal.results) / len(data.samples))
            seconds = time.perf_counter() - started
    except (KeyboardInterrupt, SystemExit):
        steps.warn(
            f"stopped after {len(journal.results)} of {len(data.samples)} images; the same command "
            "goes on from there"
        )
        raise
    return RunInfo(
        images=len(journal.results) - resumed,
        seconds=round(seconds, 3),
        batch=_batch(plan),
        workers=len(workers),
        distributed=plan.cluster is not None,
        loader_threads=work.loader_threads,
        resumed=resumed,
    )


@contextmanager
def _outcomes(
    plan: EvaluationPlan, work: Work, pending: Sequence[Batch]
) -> Iterator[Iterator[BatchOutcome]]:
    """The stream of outcomes, once what makes them is open."""

    if not pending:
        yield iter(())
    elif plan.cluster is not None:
        from vmamba_deploy.evaluation.distributed import run_on_ray

        with closing(run_on_ray(pending, work, plan.cluster)) as outcomes:
            yield outcomes
    else:
        with open_evaluator(work) as evaluator, closing(evaluator.run(pending)) as outcomes:
            yield outcomes


def _work(plan: EvaluationPlan, manifest: Manifest) -> Work:
    cores = 1 if plan.cluster is not None else len(os.sched_getaffinity(0))
    threads = plan.threads or (plan.cluster.cores if plan.cluster is not None else 0)
    artifact = plan.artifact.resolve()
    work = Work(
        artifact=artifact,
        runtime=plan.runtime,
        top_k=min(plan.top_k, manifest.classes),
        loader_threads=plan.loader_threads or cores,
        threads=threads,
        skip_unreadable=plan.skip_unreadable,
        max_pixels=plan.max_pixels,
        task=manifest.task,
    )
    if plan.against is None:
        return work
    source = Path(plan.weights or manifest.weights.source)
    # Workers may stand in another folder than this process.
    weights = str(source.resolve()) if source.exists() else plan.weights
    return replace(work, reference=PyTorchReference(artifact / ONNX_NAME, weights, threads))
