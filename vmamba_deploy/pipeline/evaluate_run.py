"""One evaluation: data, journal, work here or on a cluster, figures, files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmamba_deploy.artifacts.atomic import explain_write_error
from vmamba_deploy.artifacts.locking import exclusive
from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, Manifest, verify
from vmamba_deploy.errors import ExitCode, InputFileError
from vmamba_deploy.evaluation.classes import ModelClasses, read_class_list
from vmamba_deploy.evaluation.judging import shortfalls
from vmamba_deploy.evaluation.reading import read_samples
from vmamba_deploy.evaluation.report_data import (
    ArtifactInfo,
    DataInfo,
    EvaluationReport,
    RunInfo,
)
from vmamba_deploy.evaluation.samples import SampleSet
from vmamba_deploy.pipeline.evaluation_plan import EvaluationPlan, check_plan
from vmamba_deploy.pipeline.evaluation_step import evaluate_pending
from vmamba_deploy.pipeline.events import OnEvent, Steps

if TYPE_CHECKING:
    from vmamba_deploy.evaluation.journal import Identity, Journal

JOURNAL_NAME, JSON_NAME, HTML_NAME = "journal.jsonl", "evaluation.json", "evaluation.html"
THUMBNAILS = 48


@dataclass(frozen=True)
class EvaluationOutcome:
    """The report and the folder that it was written to."""

    report: EvaluationReport
    folder: Path

    @property
    def exit_code(self) -> ExitCode:
        """6 when a bar was missed."""
        return ExitCode.PARITY_FAILED if self.report.shortfalls else ExitCode.OK


def run_evaluation(plan: EvaluationPlan, on_event: OnEvent) -> EvaluationOutcome:
    """Evaluate an artefact on labelled images and write evaluation.json and evaluation.html.

    What is done is in the journal at once: an interrupted run goes on from there when it is called
    again with an equal plan.

    Raises:
        UsageError: numbers that make no sense, ambiguous classes, or a journal of something else.
        InputFileError: data or an image that cannot be read, or weights that are gone.
        IntegrityError: the artefact folder is not what its manifest says.
        EnvironmentProblem: the runtime or Ray cannot run here.
        ResourceError: another process writes the output folder, or the disk is full.
    """
    from vmamba_deploy.evaluation.journal import open_journal
    from vmamba_deploy.evaluation.summary import summarise

    check_plan(plan)
    steps = Steps(on_event)
    with steps.step("data", f"reading {plan.data}") as told:
        manifest = _read_artifact(plan.artifact)
        every = _read_data(plan, manifest)
        data = every.limited(plan.limit)
        identity = _identity(plan, manifest, data)
        told += [f"{len(data.samples)} images", f"{data.rule}"]
    if every.ignored:
        steps.warn(f"left out, no images by their suffix: {every.ignored} files")
    with (
        _locked(plan.folder()) as folder,
        open_journal(folder / JOURNAL_NAME, identity, resume=plan.resume) as journal,
    ):
        with steps.step("evaluate", "evaluating") as told:
            run = evaluate_pending(plan, manifest, data, journal, steps)
            told.append(_told(run))
        with steps.step("report", "writing the report") as told:
            summary = summarise(data, journal.results.values(), top_k=identity.top_k)
            report = EvaluationReport(
                artifact=_artifact_info(plan, manifest, identity, journal),
                data=_data_info(every, data, identity),
                run=run,
                summary=summary,
                bars=plan.bars,
                against=identity.against,
                shortfalls=tuple(shortfalls(summary, plan.bars)),
                created=_utc_now(),
            )
            told.append(str(_write(folder, report, data)))
    return EvaluationOutcome(report, folder)


def _read_artifact(folder: Path) -> Manifest:
    if not folder.is_dir():
        raise InputFileError(
            f"there is no artefact folder {folder}", hint="`vmamba-deploy export` makes one"
        )
    manifest = verify(folder)
    manifest.require_classifier(folder)
    return manifest


def _read_data(plan: EvaluationPlan, manifest: Manifest) -> SampleSet:
    count, file = manifest.classes, plan.classes_file
    listed = read_class_list(file, count) if file is not None else None
    return read_samples(plan.data, ModelClasses(count, manifest.labels or None, listed))


def _identity(plan: EvaluationPlan, manifest: Manifest, data: SampleSet) -> Identity:
    from vmamba_deploy.evaluation.journal import Identity

    against = None
    if plan.against is not None:
        against = f"PyTorch fp32, weights {manifest.weights.sha256[:16]}"
    content = (plan.artifact / MANIFEST_NAME).read_bytes()
    return Identity(
        manifest_sha256=hashlib.sha256(content).hexdigest(),
        data_sha256=data.fingerprint(),
        images=len(data.samples),
        batch=plan.batch,
        top_k=min(plan.top_k, len(data.class_names)),
        against=against,
        skip_unreadable=plan.skip_unreadable,
    )


@contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """The output folder, made and held for this process alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise (explain_write_error(error, folder) or error) from error
    with exclusive(folder / ".lock", what=f"folder {folder}"):
        yield folder


def _told(run: RunInfo) -> str:
    parts = [f"{run.images} images"]
    if run.resumed:
        parts.append(f"{run.resumed} from the journal")
    if run.images_per_second is not None:
        parts.append(f"{run.images_per_second:.1f} images/s")
    return ", ".join(parts)


def _artifact_info(
    plan: EvaluationPlan, manifest: Manifest, identity: Identity, journal: Journal
) -> ArtifactInfo:
    return ArtifactInfo(
        folder=str(plan.artifact),
        manifest_sha256=identity.manifest_sha256,
        preset=manifest.preset,
        precision=manifest.precision,
        runtime=journal.runtime or plan.runtime,
    )


def _data_info(every: SampleSet, data: SampleSet, identity: Identity) -> DataInfo:
    return DataInfo(
        source=str(data.source),
        kind=data.kind,
        available=len(every.samples),
        images=len(data.samples),
        class_names=data.class_names,
        rule=data.rule,
        fingerprint=identity.data_sha256,
    )


def _write(folder: Path, report: EvaluationReport, data: SampleSet) -> Path:
    """Write both files, each whole or not at all; returns the page."""
    from vmamba_deploy.evaluation.thumbnails import make_thumbnails
    from vmamba_deploy.reports.evaluation_json import evaluation_document
    from vmamba_deploy.reports.evaluation_page import write_evaluation_page
    from vmamba_deploy.reports.json_file import write_json

    agreement = report.summary.agreement
    shown = agreement.changed[:THUMBNAILS] if agreement is not None else ()
    write_json(evaluation_document(report), folder / JSON_NAME)
    thumbnails = make_thumbnails(data, (one.index for one in shown))
    write_evaluation_page(replace(report, thumbnails=thumbnails), folder / HTML_NAME)
    return folder / HTML_NAME


def _utc_now() -> str:
    from vmamba_deploy.reports.machine import utc_now

    return utc_now()
