"""What a comparison measures of an answer: its figures, combined, and judged by limits."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt

from vmamba_deploy.precisions import Thresholds

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """One answer of a candidate to one input set, beside the reference's.

    Attributes:
        names: of the outputs that it is made of; both sides have them in equal shapes.
        expected: everything that the reference gave, optional outputs with it.
        got: what the candidate gave.
        shaken: what the reference gave for the same images, each shaken a little
            (`parity.inputs.shaken`); empty where the kind of answer does not ask for it.
        unit: of the only output, see `parity.metrics`.
    """

    names: tuple[str, ...]
    expected: Arrays
    got: Arrays
    shaken: tuple[Arrays, ...] = field(default=())
    unit: float = 0.0

    def pair(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The reference's and the candidate's array of an answer of one output."""
        (name,) = self.names
        return self.expected[name], self.got[name]


@dataclass(frozen=True)
class Figures(ABC):
    """Figures of one or more batches. NaN where not computable.

    Attributes:
        images: that were compared.
        non_finite: values of the candidate that are NaN or infinite.
        limited: the figures that have a limit, by the limit's name.
        least: those of them whose limit is the least that is allowed, not the most.
        summed, largest, smallest: what becomes of a figure of several batches.
        shares: figures that are shares, with the figure that says of how many.
    """

    images: int
    non_finite: int

    limited: ClassVar[tuple[str, ...]] = ()
    least: ClassVar[frozenset[str]] = frozenset()
    summed: ClassVar[tuple[str, ...]] = ("images", "non_finite")
    largest: ClassVar[tuple[str, ...]] = ()
    smallest: ClassVar[tuple[str, ...]] = ()
    shares: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @classmethod
    def unknown(cls, images: int, non_finite: int) -> Self:
        """Of an output with so many values that are NaN or infinite: no figure can be computed."""
        known: dict[str, Any] = {"images": images, "non_finite": non_finite}
        rest: dict[str, Any] = {f.name: 0 if f.type == "int" else math.nan for f in fields(cls)}
        return cls(**rest | known)

    @classmethod
    def combined(cls, results: Sequence[Self]) -> dict[str, Any]:
        """The fields of several batches' figures taken together."""

        def each(name: str) -> list[Any]:
            return [getattr(one, name) for one in results]

        return {
            **{name: sum(each(name)) for name in cls.summed},
            **{name: float(np.max(each(name))) for name in cls.largest},
            **{name: float(np.min(each(name))) for name in cls.smallest},
            **{name: _weighted(each(name), each(of)) for name, of in cls.shares.items()},
        }

    @classmethod
    def own_limits(cls, limits: Thresholds) -> Any:
        """The part of a precision's limits that has those of these figures.

        Raises:
            ValueError: it has none.
        """
        return limits

    @property
    @abstractmethod
    def distance(self) -> float:
        """How far off, to compare outputs of one task; 0 is equal."""

    def violations(self, limits: Thresholds) -> list[str]:
        """Say what is beyond its limit; empty when all is well. NaN never passes."""
        if self.non_finite:
            return [f"{self.non_finite} output values are NaN or infinite"]
        own = self.own_limits(limits)
        found = []
        for name in self.limited:
            value, limit = getattr(self, name), getattr(own, name)
            least = name in self.least
            # Written so that a comparison with NaN counts as a violation.
            if value >= limit if least else value <= limit:
                continue
            if name == "cosine":
                found.append(f"1 - cosine {1 - value:.3g} is above {1 - limit:.3g}")
            else:
                found.append(f"{name} {value:.3g} is {'below' if least else 'above'} {limit:.3g}")
        return found


AnyFigures = TypeVar("AnyFigures", bound=Figures)


def worst(results: Sequence[AnyFigures]) -> AnyFigures:
    """Combine batches of one answer: the worst error of any, and agreements over all images.

    NaN in one makes the combined figure NaN.

    Raises:
        ValueError: nothing to combine.
    """
    if not results:
        raise ValueError("no metrics to combine")
    kind = type(results[0])
    return kind(**kind.combined(results))


def _weighted(values: list[float], weights: list[int]) -> float:
    if any(math.isnan(value) for value in values):
        return math.nan
    return float(np.average(values, weights=weights)) if sum(weights) else 1.0
