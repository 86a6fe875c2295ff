"""The PyTorch network that an ONNX file was made from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.export.onnx_model import OnnxModel

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel

_RANDOM_SOURCE = re.compile(r"random \(seed (\d+)\)")


def load_reference(facts: OnnxModel, weights: str | None = None) -> LoadedModel:
    """Load the weights that the file's metadata names, and check that they are the same.

    Args:
        facts: of an ONNX file written by this package.
        weights: where they are now, when not where the metadata says.

    Raises:
        InputFileError: the file does not say, the weights are gone, or they are others.
    """
    from vmamba_deploy.models import load_weights

    source = weights or facts.metadata.get("weights_source")
    expected = facts.metadata.get("weights_sha256")
    if source is None or expected is None:
        raise InputFileError(
            f"{facts.path} was not written by this package: it does not name its weights"
        )
    # A file without the classifier of its weights says how many classes that has.
    classes = facts.structured("num_classes") or facts.outputs[0].shape[-1]
    random = _RANDOM_SOURCE.fullmatch(source)
    loaded = load_weights(
        "random" if random else source,
        preset=facts.preset,
        num_classes=classes if isinstance(classes, int) else 1000,
        seed=int(random[1]) if random else 0,
    )
    if loaded.sha256 != expected:
        raise InputFileError(
            f"{source} has sha256 {loaded.sha256[:16]}..., {facts.path.name} was exported from "
            f"{expected[:16]}...",
            hint="give the right file with --weights",
        )
    return loaded
