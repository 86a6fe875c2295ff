"""What a comparison tells of each input set to those that show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from vmamba_deploy.parity.inputs import InputSet


@dataclass(frozen=True)
class Compared:
    """One input set, for which a candidate gave all outputs in their right shapes.

    Attributes:
        runtime: the candidate's name.
        inputs: the set.
        expected, got: the reference's outputs and the candidate's, by name.
    """

    runtime: str
    inputs: InputSet
    expected: Mapping[str, npt.NDArray[Any]]
    got: Mapping[str, npt.NDArray[Any]]


Witness = Callable[[Compared], None]
