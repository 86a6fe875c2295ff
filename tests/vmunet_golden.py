"""Golden outputs of the public VM-UNet code: tests/data/golden/vmunet."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel

FOLDER = Path(__file__).parent / "data" / "golden" / "vmunet"
NAMES = ("vmunet_binary", "vmunet_nine")
LOGITS, LOGITS_NMSE, MAPS = 1e-3, 1e-9, 1e-4


@cache
def described() -> dict[str, dict[str, Any]]:
    """Each model's configuration."""
    models: dict[str, dict[str, Any]] = json.loads((FOLDER / "models.json").read_text())
    return models


@cache
def arrays(name: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a model."""
    with np.load(FOLDER / f"{name}.npz") as opened:
        return {key: opened[key] for key in opened.files}


@cache
def loaded(name: str) -> LoadedModel:
    """From its checkpoint, for images of the channels that its golden input has."""
    from vmamba_deploy.models import load_weights
    from vmamba_deploy.models.vmunet.family import VMUNET

    one = load_weights(str(FOLDER / f"{name}.pth"))
    channels = arrays(name)["input"].shape[1]
    if channels == one.model.in_chans:
        return one
    network = VMUNET.build(replace(one.model.config, in_chans=channels)).eval()
    network.load_state_dict(one.model.state_dict())
    return replace(one, model=network, preprocessing=one.preprocessing.for_channels(channels))


def export_golden(name: str, path: Path) -> None:
    """Write a model's ONNX file: fp32, both outputs."""
    from vmamba_deploy.exporting.onnx_file import export_onnx
    from vmamba_deploy.exporting.options import ExportOptions

    size = arrays(name)["input"].shape[2:]
    options = ExportOptions(image_size=(size[0], size[1]), outputs=("labels", "logits"))
    export_onnx(loaded(name), path, options)


def check(outputs: dict[str, npt.NDArray[Any]], name: str, *, magnified: int = 0) -> None:
    """Logits, and labels that differ only where the reference is as good as undecided.

    Args:
        magnified: so many pixels may be further off than the limit. The last norm is over three
            channels only. Where they are nearly equal it magnifies 316-fold what rounding left
            before it: at the worst pixel of `vmunet_nine` float32 arithmetic of any one layer
            alone, the others in float64, moves the logits by up to 5e-4.
    """
    wanted = arrays(name)["logits"].astype(np.float64)
    got = outputs["logits"].astype(np.float64)
    assert got.shape == wanted.shape
    beyond = np.abs(got - wanted).max(axis=1) > LOGITS
    assert beyond.sum() <= magnified
    assert np.square(got - wanted).sum() <= LOGITS_NMSE * np.square(wanted).sum()
    labels = outputs["labels"]
    assert labels.dtype == np.int32
    if wanted.shape[1] == 1:
        decided = np.abs(arrays(name)["output"][:, 0] - 0.5) > 1e-3
        truth = arrays(name)["output"][:, 0] > 0.5
    else:
        first_two = np.sort(wanted, axis=1)[:, -2:]
        decided = first_two[:, 1] - first_two[:, 0] > 2 * LOGITS
        truth = wanted.argmax(axis=1)
    assert decided.mean() > 0.99
    np.testing.assert_array_equal(labels[decided], truth[decided])
