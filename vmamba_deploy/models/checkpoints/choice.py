"""Which of the networks in a checkpoint file is meant, as data. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightsChoice:
    """Which network of a file to take; None lets the file tell.

    Attributes:
        key: of the dict of tensors within the file, `model_ema` or `student.state_dict`.
        prefix: of the names of its tensors, `student.backbone.`.
    """

    key: str | None = None
    prefix: str | None = None
