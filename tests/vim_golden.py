"""Golden outputs of the public Vim code: tests/data/golden/vim."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel

FOLDER = Path(__file__).parent / "data" / "golden" / "vim"
LOGITS = 2e-5
HIDDEN = 1e-4
# What neither shapes nor the name of the network say: that name is of another one.
ASSUMED: dict[str, tuple[tuple[str, str], ...]] = {
    "vim_mid": (),
    "vim_stride": (),
    "vim_head": (("class-token", "first"), ("divide-out", "no"), ("image-size", "24x40")),
    "vim_pool": (),
}


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
    """From its checkpoint."""
    from vmamba_deploy.models import load_weights
    from vmamba_deploy.models.checkpoints.choice import WeightsChoice

    choice = WeightsChoice(assumed=ASSUMED[name])
    return load_weights(str(FOLDER / f"{name}.pth"), choice=choice)


def export_golden(name: str, path: Path) -> None:
    """Write a model's ONNX file in fp32."""
    from vmamba_deploy.exporting.onnx_file import export_onnx
    from vmamba_deploy.exporting.options import ExportOptions

    size = arrays(name)["input"].shape[2:]
    export_onnx(loaded(name), path, ExportOptions(image_size=(size[0], size[1])))


def check_logits(got: npt.NDArray[Any], name: str) -> None:
    """Within the limit that a wrong epsilon misses."""
    np.testing.assert_allclose(got, arrays(name)["logits"], rtol=0, atol=LOGITS)
