"""scikit-learn's handwritten digits: the fixed split and the pixels.

1797 real scans of 8x8 pixels in ten classes (Alpaydin and Kaynak, 1998).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from samples.training.images import LabelledImages
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing

LABELS = tuple("0123456789")
SPLIT_SEED = 0
TEST_SHARE = 0.25
"""Of the 1797 images, stratified by class: 450."""
PREPROCESSING: Preprocessing = IMAGENET_PREPROCESSING.for_size((32, 32))
"""Resize to 32x32, ImageNet's mean and standard deviation: as published for that size."""

_BRIGHTEST = 16


def read_digits(split: str) -> LabelledImages:
    """The images of a split, `train` or `test`; they come with scikit-learn, nothing is downloaded.

    Raises:
        EnvironmentProblem: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise EnvironmentProblem(
            f"the digits come with scikit-learn, which cannot be imported: {error}",
            hint="pip install scikit-learn",
        ) from error

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_SHARE, stratify=labels, random_state=SPLIT_SEED
    )
    chosen = np.sort(train if split == "train" else test)
    return LabelledImages(
        chosen, _to_bytes(bunch.images[chosen]), labels[chosen], LABELS, PREPROCESSING
    )


def _to_bytes(images: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """0..16 to 0..255, halves up: round(v * 255 / 16)."""
    return np.floor(images * 255 / _BRIGHTEST + 0.5).astype(np.uint8)
