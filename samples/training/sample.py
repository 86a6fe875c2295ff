"""What a trained sample is made of: its images, its network, how it is trained, where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from samples.training.images import LabelledImages
from vmamba_deploy.models.vmamba.config import VMambaConfig
from vmamba_deploy.preprocessing import Preprocessing


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        epochs: passes over the training images.
        seed: of the order of the images and of their movements.
        batch: images of one step; the last few of an epoch that make no whole batch are left out.
        learning_rate: its peak, after `warmup_epochs`; from there it falls along a cosine to 0.
        weight_decay: of matrices and convolutions, not of biases, norms and scan parameters.
        label_smoothing: keeps margins even, so that rounding to half precision flips no answer.
        gradient_norm: limit of the length of a step's gradient.
        rotation_degrees, zoom, shift: largest movement of an image: angle, logarithm of the scale,
            and share of half the side.
        mirror: half of the images are mirrored, left to right.
    """

    epochs: int = 40
    seed: int = 0
    batch: int = 64
    learning_rate: float = 3e-3
    warmup_epochs: int = 2
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    gradient_norm: float = 1.0
    rotation_degrees: float = 12.0
    zoom: float = 0.12
    shift: float = 0.15
    mirror: bool = False


@dataclass(frozen=True)
class Sample:
    """One data set and the network that learns it.

    Attributes:
        name: `samples/train_<name>` is its folder.
        config: the architecture.
        plan: how the weights in the repository were trained.
        preprocessing: of its images.
        read: gives the images of a split, by its name.
        splits: every split. The network learns the first; the second says how well.
    """

    name: str
    config: VMambaConfig
    plan: TrainingPlan
    preprocessing: Preprocessing
    read: Callable[[str], LabelledImages]
    splits: tuple[str, ...]

    @property
    def weights(self) -> Path:
        """The trained weights in the repository, safetensors with the labels."""
        return Path(__file__).parents[1] / f"train_{self.name}" / f"{self.name}.safetensors"

    @property
    def program(self) -> str:
        """What starts its training."""
        return f"python -m samples.train_{self.name}.train"
