"""The digits model and its images for tests: real weights, real labelled images.

Tests take them through the fixtures `digits_weights`, `digits_folder` and `digits_artifact` of
tests/conftest.py, or import this module as `tests.digits`.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.digits_accuracy import BATCH, HAS_RTX, SIDE, WEIGHTS, export_digits
from samples.train_digits.digits_data import Digits, Split, read_digits, write_images

__all__ = ["BATCH", "HAS_RTX", "SIDE", "WEIGHTS", "digits_of", "export_digits", "write_digits"]


def digits_of(split: Split = "test") -> Digits:
    """Images [n,8,8] uint8 and labels [n] of a split: 450 for testing, 1347 for training."""
    return read_digits(split)


def write_digits(folder: Path, split: Split = "test") -> Path:
    """Write a split as `<folder>/<split>/<label>/<number>.png`, labels.csv beside the labels.

    Returns:
        `<folder>/<split>`, an ImageFolder tree.
    """
    return write_images(read_digits(split), folder / split)
