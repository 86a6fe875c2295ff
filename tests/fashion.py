"""Fashion-MNIST for tests, with no network: the first images of two of its files."""

from __future__ import annotations

from pathlib import Path

from samples.train_fashion.fashion_data import labelled_images
from samples.training.images import LabelledImages

FOLDER = Path(__file__).parent / "data" / "fashion_mnist"


def _kept(name: str) -> LabelledImages:
    parts = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
    return labelled_images(*(FOLDER / f"{name}-{part}" for part in parts))


def first_unseen() -> LabelledImages:
    """The first 1,000 test images."""
    return _kept("t10k-first-1000")


def first_learned() -> LabelledImages:
    """The first 256 training images, which quantized precisions are calibrated on."""
    return _kept("train-first-256")
