"""What a quantization is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.precisions import BASES, PRECISIONS, BaseName, PrecisionName, precision_named

if TYPE_CHECKING:
    import numpy.typing as npt

PHOTOS = "photos"
"""In place of a folder: the photographs of this package."""
NARROWED = BASES["fp16"]
"""The precision whose scans write float32 unless images show that float16 holds their results."""
AUTO = "auto"
"""In place of a precision: INT8 for those layers that the usual budget lets be."""


def usual_budget(precision: PrecisionName) -> float:
    """NMSE of the outputs that layers are chosen by where nothing else is asked for.

    A quarter of the limit, as images that nobody saw may cost more than those of the calibration:
    noise three times as much in a vanilla preset.
    """
    return PRECISIONS[precision].thresholds.nmse / 4


def auto_precision(options: dict[str, Any]) -> PrecisionName:
    """The precision that `AUTO` stands for; gives `max_nmse` the usual budget if it has none."""
    if options.get("max_nmse") is None:
        options["max_nmse"] = usual_budget("int8")
    return "int8"


@dataclass(frozen=True)
class QuantizationPlan:
    """How to quantize, where the precision is a quantized one.

    Attributes:
        base: precision of all else; None takes the usual one: fp16 where an engine is built, which
            multiplies in fp16 as fast, else fp32, as a CPU is no faster in fp16.
        calibrate: a folder of images, `photos`, or a `.npz` file or a folder of them: the inputs
            themselves, by name. None: photos where layers are quantized, else nothing.
        max_nmse: of the outputs, at most: layers are measured one by one and those taken that save
            the most for it. None takes every layer that can be.
        smooth: divide what layers read by powers of two, channel by channel, where that lowers the
            outputs' error; tried with a budget as well.
        samples: inputs by name to calibrate on, in place of `calibrate`.

    Raises:
        UsageError: a budget that is none.
    """

    base: BaseName | None = None
    calibrate: str | None = None
    max_nmse: float | None = None
    smooth: bool = False
    samples: tuple[Mapping[str, npt.NDArray[Any]], ...] = ()

    def __post_init__(self) -> None:
        if self.max_nmse is not None and not (0 < self.max_nmse < math.inf):
            raise UsageError(f"--max-nmse must be above 0, got {self.max_nmse}")

    @property
    def folder(self) -> Path | None:
        """Of the calibration images; None for the photographs of this package."""
        return None if self.calibrate in (None, PHOTOS) else Path(self.calibrate)

    @property
    def said(self) -> str:
        """What is calibrated on, in words."""
        return f"{len(self.samples)} given samples" if self.samples else self.calibrate or PHOTOS

    @property
    def tries_smoothing(self) -> bool:
        """Whether smoothing is to be measured."""
        return self.smooth or self.max_nmse is not None

    @property
    def asks_for_calibration(self) -> bool:
        """Whether somebody said on what."""
        return self.calibrate is not None or bool(self.samples)

    def base_of(self, precision: PrecisionName, *, engine: bool) -> BaseName:
        """The precision that the network is exported in before it is quantized.

        Args:
            precision: that is asked for; one that is not quantized is its own base.
            engine: whether one is built.

        Raises:
            UsageError: a base that the precision cannot have.
        """
        bases = precision_named(precision).bases
        if not bases:
            self._check_plain(precision)
            return BASES[precision]
        base = self.base or (bases[0] if engine else bases[-1])
        if base not in bases:
            raise UsageError(f"{precision} goes with --base {' or '.join(bases)}, not {base}")
        return base

    def _check_plain(self, precision: PrecisionName) -> None:
        """Refuse what is asked for and means nothing in a precision that is not quantized."""
        asked = {
            "--base": self.base is not None,
            "--max-nmse": self.max_nmse is not None,
            "--smooth": self.smooth,
        }
        for option in (name for name, said in asked.items() if said):
            raise UsageError(
                f"{option} is of a quantized precision, not of {precision}", hint="add --int8"
            )
        if self.asks_for_calibration and precision != NARROWED:
            raise UsageError(
                f"there is nothing to calibrate in {precision}",
                hint="add --int8, or --fp16, whose scans may then write float16",
            )
