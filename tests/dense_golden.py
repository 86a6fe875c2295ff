"""Golden outputs of the public code for segmentation and detection: tests/data/golden/dense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tests.dense_rule import weight
from vmamba_deploy.tasks.masks import paste_mask

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.precisions import PrecisionName

FOLDER = Path(__file__).parent / "data" / "golden" / "dense"
SEGMENTATIONS = ("seg_v0", "seg_s2")
DETECTIONS = ("det_mask_s1", "det_cascade_v0")


@cache
def models() -> dict[str, dict[str, Any]]:
    """Each model's configuration."""
    described: dict[str, dict[str, Any]] = json.loads((FOLDER / "models.json").read_text())
    return described


@cache
def arrays(name: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a model."""
    with np.load(FOLDER / f"{name}.npz") as opened:
        return {key: opened[key] for key in opened.files}


def rgb(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """[...,3] in the other order."""
    return np.ascontiguousarray(bgr[..., ::-1])


def pasted_masks(name: str) -> npt.NDArray[np.bool_]:
    """[n,h,w] of the small picture."""
    golden = arrays(name)
    height, width = golden["original"].shape[:2]
    bits = np.unpackbits(golden["masks_packed"], axis=1)[:, : height * width]
    return bits.reshape(-1, height, width).astype(np.bool_)


def paste_masks(
    probabilities: npt.NDArray[Any], boxes: npt.NDArray[Any], size: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """[n,*size] of n detections' cells [n,S,S] and boxes [n,4]."""
    pairs = zip(probabilities, boxes, strict=True)
    return np.stack([paste_mask(cells, tuple(box), size) for cells, box in pairs])


@contextmanager
def checkpoint(name: str) -> Iterator[Path]:
    """A model's checkpoint file, or one that is made by rule."""
    import torch

    path = FOLDER / f"{name}.pth"
    if path.exists():
        yield path
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / path.name
        torch.save({"state_dict": weights_by_rule(name)}, path)
        yield path


def weights_by_rule(name: str) -> dict[str, Tensor]:
    """A segmenter's checkpoint but for what counts batches."""
    import torch

    described = models()[name]
    return {
        key: torch.from_numpy(weight(key, shape, described["salt"]))
        for key, shape in dict(described["keys"]).items()
        if not key.endswith("num_batches_tracked")
    }


def export_golden(name: str, folder: Path, precision: PrecisionName = "fp32") -> None:
    """Write the artefact folder of a model.

    Free height and width and no engine; in a quantized precision of one size, with an engine of
    TensorRT-RTX, so that all its products stand in both.
    """
    from vmamba_deploy.pipeline.export import run_export
    from vmamba_deploy.pipeline.plan import ExportPlan
    from vmamba_deploy.precisions import PRECISIONS
    from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

    height, width = arrays(name)["image"].shape[-3:-1]
    quantized = PRECISIONS[precision].quantized
    with checkpoint(name) as weights:
        plan = ExportPlan(
            model=None,
            weights=str(weights),
            precision=precision,
            output=folder,
            image_size=(-(-height // 32) * 32, -(-width // 32) * 32),
            dynamic_size=not quantized,
            outputs=("labels", "logits") if name in SEGMENTATIONS else (),
            build_engine=quantized,
            check_parity=False,
            engine=EnginePlan("rtx"),
        )
        run_export(plan, lambda _event: None)
