"""Images changed by as little as rounding would: what the reference keeps then is decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.inputs import InputSet


def shaken(one: InputSet, amount: float, count: int) -> list[InputSet]:
    """`count` copies of a set, every value of an image multiplied by 1 + `amount` times noise.

    The noise is normal with variance 1. Zeros stay zeros, so that padding remains what it is.
    Bytes are rounded up or down at random, so that even less than a grey level is shaken in the
    mean.
    """
    rng = np.random.default_rng(0)
    return [
        replace(one, name=f"{one.name}, shaken", pixel_values=_shake(one.pixel_values, amount, rng))
        for _ in range(count)
    ]


def _shake(pixels: npt.NDArray[Any], amount: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    moved = pixels * (1 + np.float32(amount) * rng.standard_normal(pixels.shape, dtype=np.float32))
    if pixels.dtype != np.uint8:
        return np.asarray(moved, dtype=pixels.dtype)
    rounded = np.floor(moved + rng.random(pixels.shape, dtype=np.float32))
    return np.asarray(np.clip(rounded, 0, 255), dtype=np.uint8)
