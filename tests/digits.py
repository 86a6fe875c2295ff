"""The digits model and its images for tests: real weights, real labelled images.

Tests take them through the fixtures `digits_weights`, `digits_folder` and `digits_artifact` of
tests/conftest.py, or import this module as `tests.digits`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.accuracy import BATCH, HAS_RTX, export_sample
from samples.train_digits.digits_data import read_digits
from samples.train_digits.sample import DIGITS
from samples.training.images import LabelledImages, write_images
from vmamba_deploy.precisions import PrecisionName

__all__ = ["BATCH", "HAS_RTX", "SIDE", "WEIGHTS", "digits_of", "export_digits", "write_digits"]

WEIGHTS = DIGITS.weights
SIDE, _ = DIGITS.preprocessing.crop_pixels


def export_digits(output: Path, precision: PrecisionName, **options: Any) -> Path:
    """Export the digits model; takes what `benchmarks.accuracy.export_sample` takes."""
    return export_sample(DIGITS, output, precision, **options)


def digits_of(split: str = "test") -> LabelledImages:
    """Images [n,8,8] uint8 and labels [n] of a split: 450 for testing, 1347 for training."""
    return read_digits(split)


def write_digits(folder: Path, split: str = "test") -> Path:
    """Write a split as `<folder>/<split>/<label>/<number>.png`, labels.csv beside the labels.

    Returns:
        `<folder>/<split>`, an ImageFolder tree.
    """
    return write_images(read_digits(split), folder / split)
