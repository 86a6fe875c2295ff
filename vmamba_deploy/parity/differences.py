"""How far the logits of runtimes are from the reference's, as histograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.metrics import scale, unit_of
from vmamba_deploy.parity.witness import Compared
from vmamba_deploy.tasks import Task

_LOWEST, _HIGHEST, _PER_DECADE = -9, 2, 4


@dataclass(frozen=True)
class DifferenceHistogram:
    """Differences of a runtime's logits from the reference's, in spreads of the reference.

    An input set's spread is that of `parity.metrics`, so that the limit of `max_spread` bounds
    every difference. Sets of images of one colour, with limits of their own, are left out.

    Attributes:
        runtime: its name.
        edges: of the bins, ascending; one more than `counts`.
        counts: finite differences by absolute value; what is beyond is in the outermost bins.
        equal: logits that are bit for bit the reference's; they are in no bin.
    """

    runtime: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    equal: int


class Differences:
    """Counts the differences of logits, while a comparison tells of its sets."""

    def __init__(self, task: Task) -> None:
        self._names = [output.name for output in task.outputs if output.kind == "logits"]
        exponents = np.arange(_LOWEST * _PER_DECADE, _HIGHEST * _PER_DECADE + 1) / _PER_DECADE
        self._edges = 10.0**exponents
        self._counts: dict[str, npt.NDArray[np.int64]] = {}
        self._equal: dict[str, int] = {}

    def __call__(self, one: Compared) -> None:
        """A `Witness` of `compare_runtimes`."""
        if one.inputs.flat:
            return
        for name in self._names:
            reference = np.asarray(one.expected[name], dtype=np.float64)
            difference = np.abs(np.asarray(one.got[name], dtype=np.float64) - reference)
            difference = difference[np.isfinite(difference)]
            different = difference[difference > 0] / scale(reference, unit_of([reference]))
            within = np.clip(different, self._edges[0], self._edges[-1])
            counts = np.histogram(within, self._edges)[0]
            self._counts[one.runtime] = self._counts.get(one.runtime, 0) + counts
            equal = difference.size - different.size
            self._equal[one.runtime] = self._equal.get(one.runtime, 0) + equal

    @property
    def histograms(self) -> tuple[DifferenceHistogram, ...]:
        """One a runtime that gave logits, in the order in which they ran."""
        edges = tuple(float(edge) for edge in self._edges)
        return tuple(
            DifferenceHistogram(name, edges, tuple(map(int, counts)), self._equal[name])
            for name, counts in self._counts.items()
        )
