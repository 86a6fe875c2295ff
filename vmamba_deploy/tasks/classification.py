"""One class for the whole image: logits, their softmax, and the most probable classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.tasks.task import Output, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Logits = npt.NDArray[np.float32]

LOGITS = "logits"
CLASSIFICATION = Task("classification", (Output(LOGITS, "logits"),))
"""Logits [B,classes]."""


@dataclass(frozen=True)
class Prediction:
    """One class of an image.

    Attributes:
        index: of the class.
        label: its name; the index as text where the artefacts have no names.
        probability: softmax of the logits, 0 to 1.
    """

    index: int
    label: str
    probability: float


def top_indices(logits: npt.NDArray[np.floating], top_k: int) -> npt.NDArray[np.intp]:
    """The `top_k` classes of largest logits, along the last axis; ties go to the lower index."""
    import numpy as np

    return np.argsort(-logits, axis=-1, kind="stable")[..., :top_k]


def top_predictions(
    logits: Logits, labels: Sequence[str] | None, top_k: int
) -> list[tuple[Prediction, ...]]:
    """The `top_k` most probable classes of logits [B,classes]; ties go to the lower index.

    Args:
        logits: of B images.
        labels: names of the classes; the index as text stands for a name that is not there.
        top_k: classes per image; all of them where there are fewer.

    Raises:
        InputFileError: logits that are not finite.
    """
    import numpy as np

    if not np.isfinite(logits).all():
        raise InputFileError(
            "the model gave logits that are not finite",
            hint="export it in fp32 or bf16, and look at the parity report",
        )
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    return [
        tuple(Prediction(int(i), class_label(int(i), labels), float(row[i])) for i in best)
        for row, best in zip(probabilities, top_indices(logits, top_k), strict=True)
    ]


def class_label(index: int, labels: Sequence[str] | None) -> str:
    """The name of a class; its index as text where there is none."""
    return labels[index] if labels is not None and index < len(labels) else str(index)
