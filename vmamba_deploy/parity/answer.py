"""What is judged at once: an output of its own, or several that are one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Answer:
    """One answer of a candidate to one input set, beside the reference's.

    Attributes:
        names: of the outputs that it is made of; both sides have them in equal shapes.
        expected: everything that the reference gave, optional outputs with it.
        got: what the candidate gave.
        shaken: what the reference gave for the same images, each shaken a little
            (`parity.shaking`); empty where the kind of answer does not ask for it.
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
