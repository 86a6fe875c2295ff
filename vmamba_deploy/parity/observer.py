"""What is kept of a comparison for the report, beside the figures."""

from __future__ import annotations

from vmamba_deploy.parity.differences import DifferenceHistogram, Differences
from vmamba_deploy.parity.exhibits import Exhibit, Exhibits
from vmamba_deploy.parity.inputs import PHOTOS
from vmamba_deploy.parity.witness import Compared
from vmamba_deploy.preprocessing import Preprocessing
from vmamba_deploy.tasks import Task


class Observer:
    """Keeps photographs with both answers to them, and how far logits are apart.

    Args:
        task: of the file. Every photograph is kept for logits, which are few numbers; for answers
            that are pictures themselves, one.
        preprocessing: see `Exhibits`.
    """

    def __init__(self, task: Task, preprocessing: Preprocessing | None) -> None:
        small = all(output.kind == "logits" for output in task.outputs)
        self._exhibits = Exhibits(preprocessing, len(PHOTOS) if small else 1)
        self._differences = Differences(task)

    def __call__(self, one: Compared) -> None:
        """A `Witness` of `compare_runtimes`."""
        self._exhibits(one)
        self._differences(one)

    @property
    def exhibits(self) -> tuple[Exhibit, ...]:
        """Photographs; see `Exhibits.kept`."""
        return self._exhibits.kept

    @property
    def histograms(self) -> tuple[DifferenceHistogram, ...]:
        """Of the logits' differences."""
        return self._differences.histograms
