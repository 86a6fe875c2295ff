"""A tolerance for every element, as NumPy's `allclose` and polygraphy's `compare` have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Tolerance:
    """An element c of a candidate is within it where abs(c - r) <= atol + rtol * abs(r).

    r is the reference's; NaN is never within it.
    """

    atol: float
    rtol: float

    def check(
        self, expected: Mapping[str, npt.NDArray[Any]], got: Mapping[str, npt.NDArray[Any]]
    ) -> ElementCheck:
        """Every element of the outputs that both have, in shapes that are equal."""
        both = [name for name in got if name in expected]
        return ElementCheck.combined(
            self, [self._output(name, expected[name], got[name]) for name in both]
        )

    def _output(self, name: str, expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> ElementCheck:
        r, c = expected.astype(np.float64), got.astype(np.float64)
        allowed = self.atol + self.rtol * np.abs(r)
        off = np.abs(c - r)
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.where(off == 0, 0.0, off / allowed)
        times = np.nan_to_num(times, nan=np.inf, posinf=np.inf)
        beyond = int(np.count_nonzero(~(off <= allowed)))
        return ElementCheck(self, got.size, beyond, float(times.max(initial=0.0)), name)


@dataclass(frozen=True)
class ElementCheck:
    """What was found of a tolerance.

    Attributes:
        elements: that were looked at.
        beyond: of them, those beyond the tolerance.
        worst: the largest error in units of what is allowed there; infinite for NaN, or for an
            error where nothing is allowed.
        output: where that is; None where nothing was looked at.
    """

    tolerance: Tolerance
    elements: int
    beyond: int
    worst: float
    output: str | None

    @classmethod
    def combined(cls, tolerance: Tolerance, parts: Iterable[ElementCheck]) -> ElementCheck:
        """Of several outputs, or several batches."""
        found = list(parts)
        if not found:
            return cls(tolerance, 0, 0, 0.0, None)
        furthest = max(found, key=lambda one: one.worst)
        return cls(
            tolerance,
            sum(one.elements for one in found),
            sum(one.beyond for one in found),
            furthest.worst,
            furthest.output,
        )

    @property
    def violation(self) -> str | None:
        """What is wrong, in one sentence; None where every element is within the tolerance."""
        if not self.beyond:
            return None
        atol, rtol = self.tolerance.atol, self.tolerance.rtol
        return (
            f"{self.beyond} of {self.elements} elements are beyond atol {atol:g} + rtol {rtol:g} * "
            f"abs(reference), the worst in {self.output} by a factor of {self.worst:.3g}"
        )
