"""Detection: average precision of boxes and of masks, as COCO counts it."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.evaluation.average_precision import (
    AveragePrecision,
    Matches,
    average_precision,
    matches_by_image,
)
from vmamba_deploy.evaluation.classes import ModelClasses, read_class_list
from vmamba_deploy.evaluation.coco import CocoImage, CocoSet, read_coco
from vmamba_deploy.evaluation.judging import Thresholds, missed
from vmamba_deploy.evaluation.results import Result
from vmamba_deploy.evaluation.samples import DataSet
from vmamba_deploy.evaluation.scorer import Scorer, Source, Table, Tally, Work
from vmamba_deploy.evaluation.scorers.pictures import PictureJudge, opened_model
from vmamba_deploy.evaluation.summary import WORST_IMAGES, skipped_of
from vmamba_deploy.evaluation.timing import Timing, timing_of
from vmamba_deploy.extras import require_modules
from vmamba_deploy.tasks import DETECTION
from vmamba_deploy.tasks.masks import coco_rle

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.manifest import Manifest
    from vmamba_deploy.evaluation.loading import LoadedBatch
    from vmamba_deploy.preprocessing.decode import ByteArray
    from vmamba_deploy.tasks.detection import Detections

_COLUMNS = ("file", "objects", "found", "missed", "false", "f1", "error")


@dataclass(frozen=True)
class FoundObject:
    """One detection, as COCO writes results.

    Attributes:
        label: class of the model.
        score: 0 to 1.
        box: x, y, width, height in pixels of the image.
        mask: RLE counts of the image's size, column-major, as pycocotools compresses them.
    """

    label: int
    score: float
    box: tuple[float, float, float, float]
    mask: str


@dataclass(frozen=True)
class DetectionResult(Result):
    """Of a detector.

    Attributes:
        size: height and width of the image.
        objects: what was found, the surest first.
    """

    size: tuple[int, int] = (0, 0)
    objects: tuple[FoundObject, ...] = ()


@dataclass(frozen=True)
class ClassPrecision:
    """One class; NaN where the data have no such object, or no masks.

    Attributes:
        index, name: of the class.
        objects: of it in the images that were evaluated, crowds left out.
        box_ap, mask_ap: see `AveragePrecision.ap`.
    """

    index: int
    name: str
    objects: int
    box_ap: float
    mask_ap: float


@dataclass(frozen=True)
class WorstImage:
    """An image with objects that were missed, or detections of none.

    Attributes:
        index: position of the sample.
        name: of the file, relative to the data set.
        objects, found, missed, false, f1: see `Matches`.
    """

    index: int
    name: str
    objects: int
    found: int
    missed: int
    false: int
    f1: float


@dataclass(frozen=True)
class DetectionSummary:
    """The figures of an evaluation of detections.

    Attributes:
        boxes: by boxes.
        masks: by masks; None where the data have boxes alone.
        objects: in the images that were evaluated, crowds left out.
        detections: that the network gave for them.
        classes: that the data have, by index.
        worst_images: that are not all right, lowest F1 first, 48 at most.
        skipped: (name, reason) of images that could not be read; they do not count.
        timing: None when no image could be read.
    """

    boxes: AveragePrecision
    masks: AveragePrecision | None
    objects: int
    detections: int
    classes: tuple[ClassPrecision, ...]
    worst_images: tuple[WorstImage, ...]
    skipped: tuple[tuple[str, str], ...]
    timing: Timing | None


class DetectionScorer(Scorer):
    """Box and mask AP."""

    task = DETECTION.name
    result = DetectionResult
    usual_batch = 1
    thresholds = frozenset({"min_box_ap_percent", "min_mask_ap_percent"})

    def check(self, manifest: Manifest, folder: Path) -> None:
        """See `Scorer`."""
        require_modules("pycocotools")

    def read_data(self, source: Source, manifest: Manifest) -> CocoSet:
        """See `Scorer`."""
        count, file = manifest.classes, source.classes_file
        listed = read_class_list(file, count) if file is not None else None
        classes = ModelClasses(count, manifest.labels or None, listed)
        return read_coco(source.data, source.images, classes)

    @contextmanager
    def open(self, work: Work) -> Iterator[DetectionJudge]:
        """See `Scorer`."""
        with opened_model(work) as model:
            yield DetectionJudge(model, work)

    def tally(self, data: DataSet[CocoImage]) -> Tally:
        """See `Scorer`."""
        return _Found(len(data.samples))

    def summarise(
        self, data: DataSet[CocoImage], results: Iterable[DetectionResult], *, top_k: int
    ) -> DetectionSummary:
        """See `Scorer`."""
        assert isinstance(data, CocoSet)
        every = list(results)
        scored = sorted((one for one in every if one.error is None), key=lambda one: one.index)
        images = [data.samples[one.index].image_id for one in scored]
        detections = [found for one in scored for found in _as_coco(one, data)]
        boxes = average_precision(data.file, detections, images, "bbox")
        outlined = all(one.segmentation is not None for one in data.file.annotations)
        masks = average_precision(data.file, detections, images, "segm") if outlined else None
        counted = _objects(data, set(images))
        return DetectionSummary(
            boxes=boxes.overall,
            masks=masks.overall if masks else None,
            objects=counted.total(),
            detections=sum(len(one.objects) for one in scored),
            classes=tuple(
                ClassPrecision(
                    index,
                    data.class_names[index],
                    counted[category],
                    boxes.by_category[category],
                    masks.by_category[category] if masks else float("nan"),
                )
                for index, category in enumerate(data.categories)
                if category is not None
            ),
            worst_images=_worst(data, scored, boxes.by_image),
            skipped=skipped_of(data, every),
            timing=timing_of(scored),
        )

    def shortfalls(self, summary: DetectionSummary, thresholds: Thresholds) -> list[str]:
        """See `Scorer`."""
        mask_ap = summary.masks.ap if summary.masks is not None else float("nan")
        return [
            *missed("box AP", summary.boxes.ap, thresholds.min_box_ap_percent),
            *missed("mask AP", mask_ap, thresholds.min_mask_ap_percent),
        ]

    def table(self, data: DataSet[CocoImage], results: Iterable[DetectionResult]) -> Table:
        """See `Scorer`."""
        assert isinstance(data, CocoSet)
        ordered = sorted(results, key=lambda one: one.index)
        matches = _matches(data, [one for one in ordered if one.error is None])
        return Table(_COLUMNS, (_row(data, one, matches) for one in ordered))


class DetectionJudge(PictureJudge):
    """An opened detector."""

    def answer(self, images: Sequence[ByteArray]) -> Sequence[Detections]:
        """What is in them."""
        answers: Sequence[Detections] = self.model.detect(list(images))
        return answers

    def read(self, sample: CocoImage) -> Any:
        """The image [h,w,C] uint8."""
        return self.read_picture(sample.path)

    def score(self, loaded: LoadedBatch) -> list[DetectionResult]:
        """See `Judge`."""
        start = time.perf_counter()
        answers = self.answer(loaded.contents)
        each = (time.perf_counter() - start) * 1e3 / len(answers)
        return [
            DetectionResult(
                index=read.index,
                size=image.shape[:2],
                objects=tuple(
                    FoundObject(one.label, one.score, _xywh(one.box), coco_rle(one.mask)["counts"])
                    for one in answer
                ),
                preprocess_ms=read.preprocess_ms,
                inference_ms=round(each, 4),
            )
            for read, answer, image in zip(loaded.images, answers, loaded.contents, strict=True)
        ]


class _Found(Tally):
    """Detections so far."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._objects = 0

    def count(self, result: DetectionResult) -> None:
        self._objects += len(result.objects)

    def figures(self) -> str:
        return f"{self._objects} detections"


def _xywh(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(side) for side in box)
    return left, top, right - left, bottom - top


def _as_coco(result: DetectionResult, data: CocoSet) -> Iterator[dict[str, Any]]:
    """COCO's results; what is of a class that the data do not have is of no category."""
    for one in result.objects:
        category = data.categories[one.label]
        if category is not None:
            yield {
                "image_id": data.samples[result.index].image_id,
                "category_id": category,
                "score": one.score,
                "bbox": list(one.box),
                "segmentation": {"size": list(result.size), "counts": one.mask},
            }


def _matches(data: CocoSet, scored: Sequence[DetectionResult]) -> dict[int, Matches]:
    images = [data.samples[one.index].image_id for one in scored]
    detections = [found for one in scored for found in _as_coco(one, data)]
    return matches_by_image(data.file, detections, images)


def _worst(
    data: CocoSet, scored: Sequence[DetectionResult], matches: dict[int, Matches]
) -> tuple[WorstImage, ...]:
    """Of equal ones that with the most mistakes first."""
    judged = ((one.index, matches[data.samples[one.index].image_id]) for one in scored)
    worst = heapq.nsmallest(
        WORST_IMAGES,
        (one for one in judged if one[1].missed or one[1].false),
        key=lambda one: (one[1].f1, -one[1].missed - one[1].false, one[0]),
    )
    return tuple(
        WorstImage(
            index, data.samples[index].name, one.objects, one.found, one.missed, one.false, one.f1
        )
        for index, one in worst
    )


def _row(
    data: CocoSet, result: DetectionResult, matches: dict[int, Matches]
) -> tuple[str | float | None, ...]:
    sample = data.samples[result.index]
    if result.error is not None:
        return (sample.name, None, None, None, None, None, result.error)
    one = matches[sample.image_id]
    return (sample.name, one.objects, one.found, one.missed, one.false, one.f1, None)


def _objects(data: CocoSet, images: set[int]) -> Counter[int]:
    return Counter(
        one.category_id
        for one in data.file.annotations
        if one.image_id in images and not one.iscrowd
    )
