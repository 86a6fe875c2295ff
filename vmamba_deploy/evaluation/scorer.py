"""What of an evaluation depends on the task: its data, the result of an image, its figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from vmamba_deploy.evaluation.results import Result
from vmamba_deploy.preprocessing import MAX_PIXELS
from vmamba_deploy.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.manifest import Manifest
    from vmamba_deploy.evaluation.judging import Thresholds
    from vmamba_deploy.evaluation.loading import LoadedBatch
    from vmamba_deploy.evaluation.samples import DataSet
    from vmamba_deploy.evaluation.summary import AnySummary


@dataclass(frozen=True)
class Source:
    """Where the data are and how they are meant, as the user says it.

    Attributes:
        data: folder or file.
        images: folder of the images that a COCO file names; None: the file's own.
        split: of a data set with several, the folder's name.
        classes_file: which name in the data is which class.
        reduce_zero_label: whether label 0 of an annotation means nothing and 1 is the first class;
            None: where the model has the 150 classes of ADE20K.
        layout: of a folder of classes, the name of what it must be, in `layouts.LAYOUTS`.
    """

    data: Path
    images: Path | None = None
    split: str | None = None
    classes_file: Path | None = None
    reduce_zero_label: bool | None = None
    layout: str | None = None


Network = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
OpenReference = Callable[[], Network]
"""Opens the network to compare with, where it is going to run. Pickled to workers of a cluster."""


@dataclass(frozen=True)
class Work:
    """What a process is to do with each batch; the same for every process of a run.

    Attributes:
        artifact: the artefact folder.
        runtime: `auto`, `trt`, `rtx`, `ort`, `ort-cuda` or `openvino`.
        top_k: classes to keep per image.
        loader_threads: that read and preprocess images.
        threads: of the runtime; 0 leaves the number to it.
        skip_unreadable: note unreadable images instead of raising.
        max_pixels: larger images are not readable.
        reference: opens the network to compare with; None without.
        task: what the artefact is for.
    """

    artifact: Path
    runtime: str = "auto"
    top_k: int = 5
    loader_threads: int = 2
    threads: int = 0
    skip_unreadable: bool = False
    max_pixels: int = MAX_PIXELS
    reference: OpenReference | None = None
    task: str = CLASSIFICATION.name


class Judge(Protocol):
    """An opened artefact, and what it is judged by.

    Attributes:
        runtime: name of what executes.
    """

    @property
    def runtime(self) -> str: ...  # noqa: D102 - said above

    def warm_up(self) -> None:
        """Run one image, so that what happens once is not in the first batch's time."""
        ...

    def read(self, sample: Any) -> Any:
        """Read a sample of the task's data, on a thread.

        Raises:
            InputFileError: it cannot be read.
        """
        ...

    def score(self, loaded: LoadedBatch) -> Sequence[Result]:
        """Run a batch: the results of its images, at least one."""
        ...


@dataclass(frozen=True)
class Table:
    """One row an image.

    Attributes:
        columns: their names.
        rows: text, numbers, and None where nothing is known.
    """

    columns: tuple[str, ...]
    rows: Iterable[tuple[str | float | None, ...]]


class Tally(ABC):
    """Figures so far, for the progress."""

    def __init__(self, total: int) -> None:
        self._total, self._seen = total, 0

    def add(self, result: Any) -> None:
        """Count a result; one without is not counted."""
        if result.error is None:
            self._seen += 1
            self.count(result)

    def text(self) -> str:
        """How many images, and how good they are."""
        done = f"{self._seen} of {self._total} images"
        return f"{done}, {self.figures()}" if self._seen else done

    @abstractmethod
    def count(self, result: Any) -> None:
        """Take a result of the task into the figures."""

    @abstractmethod
    def figures(self) -> str:
        """The figures of what was counted, as a text."""


class Scorer(ABC):
    """How the artefacts of a task are evaluated.

    Attributes:
        task: its name.
        result: what is known of one of its images.
        usual_batch: images per batch where the user says nothing.
        thresholds: names of those of `Thresholds` that may be set.
    """

    task: ClassVar[str]
    result: ClassVar[type[Result]]
    usual_batch: ClassVar[int]
    thresholds: ClassVar[frozenset[str]]

    def check(self, manifest: Manifest, folder: Path) -> None:  # noqa: B027 - most take any
        """Refuse an artefact that cannot be evaluated.

        Raises:
            UsageError: says why.
        """

    @abstractmethod
    def read_data(self, source: Source, manifest: Manifest) -> DataSet[Any]:
        """The samples of a data set; no image is opened.

        Raises:
            InputFileError, UsageError: data that are none for this task and model.
        """

    @abstractmethod
    def open(self, work: Work) -> AbstractContextManager[Judge]:
        """Open the artefact, and the reference where there is one; both close at the end.

        Raises:
            IntegrityError, EnvironmentProblem, UsageError: see `vmamba_deploy.inference.load`.
        """

    @abstractmethod
    def tally(self, data: DataSet[Any]) -> Tally:
        """Figures that grow."""

    @abstractmethod
    def summarise(self, data: DataSet[Any], results: Iterable[Any], *, top_k: int) -> AnySummary:
        """The figures of all results, whatever their order."""

    @abstractmethod
    def table(self, data: DataSet[Any], results: Iterable[Any]) -> Table:
        """What predictions.csv says of all results, in the order of the set."""

    @abstractmethod
    def shortfalls(self, summary: Any, thresholds: Thresholds) -> list[str]:
        """Say what missed its threshold, one sentence each; empty when nothing did."""
