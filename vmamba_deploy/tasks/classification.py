"""Classes of the whole image: logits, their probabilities, and the most probable ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.tasks.task import Output, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Logits = npt.NDArray[np.float32]

LOGITS = "logits"
CLASSIFICATION = Task("classification", (Output(LOGITS, "logits", ("batch", "classes")),))
"""Logits [B,classes]."""

Activation = Literal["softmax", "sigmoid"]
"""What turns logits into probabilities: `softmax` where an image has one of the classes, `sigmoid`
of each where it has any of them, or where a single logit stands for yes or no."""
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)


@dataclass(frozen=True)
class Prediction:
    """One class of an image.

    Attributes:
        index: of the class.
        label: its name; the index as text where the artefacts have no names.
        probability: by the network's activation, 0 to 1.
    """

    index: int
    label: str
    probability: float


def top_indices(logits: npt.NDArray[np.floating], top_k: int) -> npt.NDArray[np.intp]:
    """The `top_k` classes of largest logits, along the last axis; ties go to the lower index."""
    import numpy as np

    return np.argsort(-logits, axis=-1, kind="stable")[..., :top_k]


def top_predictions(
    logits: Logits,
    labels: Sequence[str] | None,
    top_k: int,
    activation: Activation | None = None,
) -> list[tuple[Prediction, ...]]:
    """The `top_k` most probable classes of logits [B,classes]; ties go to the lower index.

    Args:
        logits: of B images.
        labels: names of the classes; the index as text stands for a name that is not there.
        top_k: classes per image; all of them where there are fewer.
        activation: see `chosen_activation`.

    Raises:
        InputFileError: logits that are not finite.
    """
    import numpy as np

    if not np.isfinite(logits).all():
        raise InputFileError(
            "the model gave logits that are not finite",
            hint="export it in fp32 or bf16, and look at the parity report",
        )
    shares = _probabilities(logits, chosen_activation(activation, logits.shape[1]))
    return [
        tuple(Prediction(int(i), class_label(int(i), labels), float(row[i])) for i in best)
        for row, best in zip(shares, top_indices(logits, top_k), strict=True)
    ]


def chosen_activation(asked: Activation | None, classes: int) -> Activation:
    """The activation itself where one was named; else softmax, and sigmoid of a single logit.

    Raises:
        UsageError: the softmax of a single logit, which is 1 whatever the image.
    """
    if asked == "softmax" and classes == 1:
        raise UsageError(
            "the softmax of a single logit is always 1: it says nothing of an image",
            hint="--activation sigmoid, which a single logit takes by itself",
        )
    return asked or ("softmax" if classes > 1 else "sigmoid")


def _probabilities(logits: Logits, activation: Activation) -> npt.NDArray[np.float64]:
    """Of logits [B,classes], in float64."""
    import numpy as np

    exact = logits.astype(np.float64)
    if activation == "sigmoid":
        return np.asarray(np.exp(-np.logaddexp(0.0, -exact)))
    powers = np.exp(exact - exact.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def class_label(index: int, labels: Sequence[str] | None) -> str:
    """The name of a class; its index as text where there is none."""
    return labels[index] if labels is not None and index < len(labels) else str(index)
