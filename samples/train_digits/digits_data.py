"""Handwritten digits: real scans, the fixed split and the pixels.

1797 images of 8x8 pixels in ten classes (Alpaydin and Kaynak, 1998), in `digits.npz` beside this
file: `images` [1797,8,8] uint8 from 0 to 16 and `labels` [1797] uint8 as scikit-learn's
`load_digits` has them, and `is_test` [1797] bool by its `train_test_split`. Tests hold the file to
scikit-learn, which nothing else here needs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from samples.training.images import LabelledImages
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing

DATA = Path(__file__).with_name("digits.npz")
LABELS = tuple("0123456789")
PREPROCESSING: Preprocessing = IMAGENET_PREPROCESSING.for_size((32, 32))
"""Resize to 32x32, ImageNet's mean and standard deviation: as published for that size."""

_BRIGHTEST = 16


def read_digits(split: str) -> LabelledImages:
    """The images of a split, `train` or `test`."""
    with np.load(DATA) as data:
        images, labels, is_test = (data[name] for name in ("images", "labels", "is_test"))
    chosen = np.flatnonzero(is_test == (split == "test"))
    return LabelledImages(
        chosen, _to_bytes(images[chosen]), labels[chosen].astype(np.int64), LABELS, PREPROCESSING
    )


def _to_bytes(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """0..16 to 0..255, halves up: round(v * 255 / 16)."""
    return np.floor(images * 255.0 / _BRIGHTEST + 0.5).astype(np.uint8)
