"""The most probable classes of photographs, by the reference and by every runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from vmamba_deploy.parity.exhibits import Exhibit
from vmamba_deploy.reports.pictures import thumbnail
from vmamba_deploy.tasks.classification import Activation, Prediction, top_predictions

if TYPE_CHECKING:
    from vmamba_deploy.exporting.onnx_model import OnnxModel

_CLASSES_SHOWN = 5


@dataclass(frozen=True)
class PhotoClasses:
    """A photograph, and what each side takes it for.

    Attributes:
        name: of the photograph.
        uri: of a small copy, which embeds it in a page.
        reference: the most probable classes by PyTorch in fp32, the first one first.
        runtimes: the same by name of the runtime; None where its logits are not finite.
    """

    name: str
    uri: str
    reference: tuple[Prediction, ...]
    runtimes: Mapping[str, tuple[Prediction, ...] | None]


def top_classes(
    exhibits: Sequence[Exhibit], facts: OnnxModel, labels: Sequence[str] | None
) -> list[PhotoClasses]:
    """The classes of every photograph; none for a file that gives no logits of whole images.

    Args:
        exhibits: photographs with the answers of each runtime.
        facts: of the file, for its task and its activation.
        labels: names of the classes, where they are known.
    """
    if not exhibits or any(output.kind != "logits" for output in facts.task.outputs):
        return []
    output = facts.task.outputs[0].name
    activation = cast("Activation | None", facts.metadata.get("activation"))

    def best(answer: Mapping[str, npt.NDArray[Any]]) -> tuple[Prediction, ...] | None:
        logits = np.asarray(answer[output], dtype=np.float32)
        if logits.ndim != 1 or not np.isfinite(logits).all():
            return None
        (found,) = top_predictions(logits[None], labels, _CLASSES_SHOWN, activation)
        return found

    found = []
    for photo in dict.fromkeys(one.photo for one in exhibits):
        shown = [one for one in exhibits if one.photo == photo]
        reference = best(shown[0].expected)
        if reference is not None:
            answers = {one.runtime: best(one.got) for one in shown}
            found.append(PhotoClasses(photo, thumbnail(shown[0].pixels), reference, answers))
    return found
