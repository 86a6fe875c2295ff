"""Everything that evaluation.json and evaluation.html tell, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Literal, TypeVar

from vmamba_deploy.artifacts.manifest import Sha256
from vmamba_deploy.evaluation.judging import Thresholds
from vmamba_deploy.evaluation.samples import Kind
from vmamba_deploy.evaluation.summary import AnySummary
from vmamba_deploy.tasks import CLASSIFICATION

SCHEMA_VERSION = "2.0"
_SPLITS = frozenset({"images", "labels", "test", "testing", "train", "training", "val", "valid"})
_SPLITS |= {"annotations", "validation"}


@dataclass(frozen=True)
class ArtifactInfo:
    """What was evaluated: the folder, its name, the sha256 of its manifest, and how it ran."""

    folder: str
    name: str
    manifest_sha256: Sha256
    preset: str
    precision: str
    runtime: str


@dataclass(frozen=True)
class DataInfo:
    """On what: the data set, its number of images and classes, and its fingerprint.

    Attributes:
        name: for people; see `data_name`.
        available: images in the data set; `images` of them were evaluated.
        rule: how names became classes.
    """

    source: str
    name: str
    kind: Kind
    available: int
    images: int
    class_names: tuple[str, ...]
    rule: str
    fingerprint: Sha256


def data_name(source: Path, split: str | None = None) -> str:
    """What people call a data set: its folder or file, and the folder above one named as a split.

    `cifar10` for /data/cifar10, `cifar10/test` for /data/cifar10/test.

    Args:
        source: the folder or the file.
        split: of a data set with several, the folder's name.
    """
    path = source.resolve()
    name = path.stem if path.is_file() else path.name
    if name.lower() in _SPLITS:
        name = f"{path.parent.name}/{name}"
    return name if split is None else f"{name}/{split}"


@dataclass(frozen=True)
class RunInfo:
    """How the last process of the run worked; an earlier, interrupted one is not in it.

    How fast the network alone is, says `Timing`.

    Attributes:
        images: that it evaluated.
        seconds: it took for them: without opening the artefact, but with starting Ray.
        batch: images per batch.
        workers: processes that did some of them; without Ray one, or none if all was done before.
        distributed: whether Ray ran them.
        loader_threads: that read images, per process.
        resumed: images that the journal already had.
        images_per_second: throughput of everything together: reading, the artefact, and PyTorch
            where it is compared with; None when nothing was left to do.
    """

    images: int
    seconds: float
    batch: int
    workers: int
    distributed: bool
    loader_threads: int
    resumed: int
    images_per_second: float | None = field(init=False)

    def __post_init__(self) -> None:
        rate = self.images / self.seconds if self.images and self.seconds else None
        object.__setattr__(self, "images_per_second", rate)


@dataclass(frozen=True)
class Thumbnail:
    """A small PNG of an image of the data set, by its index; `uri` embeds it in a page."""

    index: int
    uri: str


@dataclass(frozen=True, kw_only=True)
class EvaluationFacts:
    """What was evaluated, how, and what came of it; without the figures.

    Attributes:
        verdict: `failed`; else `passed` when a threshold was set, and `measured` when none was.
        shortfalls: what missed its threshold.
        created: UTC time, ISO 8601.
        task: of the artefact.
        against: the reference; None without.
    """

    schema_version: str
    verdict: Literal["passed", "failed", "measured"] = field(init=False)
    shortfalls: tuple[str, ...]
    created: str
    task: str = CLASSIFICATION.name
    artifact: ArtifactInfo
    data: DataInfo
    against: str | None
    thresholds: Thresholds
    run: RunInfo

    def __post_init__(self) -> None:
        judged = bool(self.thresholds.given) or self.against is not None
        reached = "passed" if judged else "measured"
        object.__setattr__(self, "verdict", "failed" if self.shortfalls else reached)


F = TypeVar("F", bound=AnySummary)


@dataclass(frozen=True, kw_only=True)
class EvaluationReport(EvaluationFacts, Generic[F]):
    """An evaluation; `thumbnails` are of the images that the page shows.

    `summary` has the figures of the task.
    """

    schema_version: str = SCHEMA_VERSION
    summary: F
    thumbnails: tuple[Thumbnail, ...] = ()
