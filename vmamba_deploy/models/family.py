"""What a family of networks is to the rest of the package. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from re import Pattern
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from vmamba_deploy.errors import UsageError, printable
from vmamba_deploy.precisions import BaseName
from vmamba_deploy.preprocessing.specification import IMAGENET_PREPROCESSING, Preprocessing
from vmamba_deploy.tasks import CLASSIFICATION, FEATURES

if TYPE_CHECKING:
    from torch import Tensor

    from vmamba_deploy.models.checkpoints.settings import Settings
    from vmamba_deploy.models.network import Network

C = TypeVar("C")
"""A family's architecture: a frozen dataclass with a field `num_classes`, None for a backbone."""


class NotThisFamilyError(ValueError):
    """The weights are not those of a network of the family; the message says what is missing."""


def size_in(weights: Mapping[str, Tensor], name: str, axis: int) -> int:
    """The size of an axis of a weight; raises NotThisFamilyError where it is not there."""
    tensor = weights.get(name)
    if tensor is None:
        raise NotThisFamilyError(f"there is no '{name}'")
    if tensor.ndim <= axis:
        raise NotThisFamilyError(f"'{name}' has shape {tuple(tensor.shape)}")
    return tensor.shape[axis]


def refuse_relatives(names: Iterable[str], relatives: Mapping[str, str]) -> None:
    """Raise NotThisFamilyError where a name is of a relative, by the pattern of its names."""
    names = list(names)
    for pattern, what in relatives.items():
        if name := next((each for each in names if re.match(pattern, each)), None):
            raise NotThisFamilyError(
                f"it has {what}, which this release does not compute: '{printable(name)}'"
            )


@dataclass(frozen=True)
class ClassNames:
    """Of a data set.

    Attributes:
        names: one a class.
        palette: (red, green, blue) of each class, 0 to 255; None where there is none.
        data_set: its name for a person.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...] | None
    data_set: str = ""


@dataclass(frozen=True)
class Preset(Generic[C]):
    """A published architecture: its name, its layers and how its images are prepared."""

    name: str
    config: C
    preprocessing: Preprocessing = IMAGENET_PREPROCESSING


@dataclass(frozen=True)
class Agreement:
    """What a file's own configuration says of an architecture that this release computes.

    Attributes:
        place: of the section that says how the network computes; None where none does, so that
            the shapes of the weights are all there is.
        notes: what else it says, a sentence each.
    """

    place: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpCalls:
    """The calls of one op of ours in a network.

    Attributes:
        op: its key in `vmamba_deploy.ops.registry.OPS`.
        count: of the nodes in an exported graph.
        sizes: that are the same in all of them, by the op's names; its body is written for them.
    """

    op: tuple[str, str]
    count: int
    sizes: Mapping[str, int]


class Family(Protocol[C]):
    """One family: its presets, its networks, and what an export has to know of them.

    Attributes:
        name: for people, `VMamba`.
        presets: by full name, which no other family has.
        aliases: short names of presets.
        anchor: a part of the names of its weights that every network of it has and no other
            family's, in every dialect; what stands before it is a prefix. None: names have none.
        own_names: names of its weights that may stand outside of the prefix of the others, in
            every dialect; beside a backbone, only such names are kept.
        layers: paths of the modules whose outputs are compared to find where a file drifts.
        preprocessing: of the images of a network that is no preset.
        tasks: names of what its networks can do, the one that they are made for first.
        parts: of a network over another family's backbone, what the names of its weights begin
            with behind the prefix; other names are left out. None for a network by itself.
        published: how files with published weights are named: only such a file has the usual
            classes, if it names none itself. None: every file of as many classes has them.
        contains: name of the family whose layers its networks have among their own, so that the
            names of both are in a file of it.
    """

    name: str
    presets: Mapping[str, Preset[C]]
    aliases: Mapping[str, str]
    anchor: Pattern[str] | None = None
    own_names: Pattern[str]
    layers: Pattern[str]
    preprocessing: Preprocessing = IMAGENET_PREPROCESSING
    tasks: tuple[str, ...] = (CLASSIFICATION.name, FEATURES.name)
    parts: Pattern[str] | None = None
    published: Pattern[str] | None = None
    contains: str | None = None

    def over(self, backbone: Preset[Any]) -> Preset[C] | None:
        """The preset over that preset of another family; None where there is none."""
        return None

    def usual_classes(self, config: C) -> ClassNames | None:
        """What the classes of the published networks are called, where there are as many."""
        return None

    def build(self, config: C) -> Network:
        """Build the layers; their weights are filled afterwards."""

    def initialize(self, network: Network, seed: int) -> None:
        """Fill every weight from the seed alone, leaving the global random state as it is."""

    def canonical_weights(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Give the weights of a file, in whatever dialect, the network's own names and shapes.

        Raises:
            InputFileError: two weights of the file are the same weight in different dialects.
        """

    def detect(self, weights: Mapping[str, Tensor]) -> C:
        """Tell the architecture from canonical weights.

        Raises:
            NotThisFamilyError: a weight that tells it is missing or has an odd shape.
        """

    def settled(
        self, config: C, settings: Sequence[Settings], assumed: Mapping[str, str], path: Path
    ) -> tuple[C, Agreement]:
        """Add to an architecture what shapes do not tell: as the user says, else as the file does.

        Args:
            config: that the weights tell, or a preset with the parts of the file.
            settings: of the file.
            assumed: by the user, by the family's names for such things.
            path: of the file.

        Raises:
            UsageError: an assumption that the family does not know, or that cannot be.
            InputFileError: neither says what the network cannot do without.
        """
        if assumed:
            raise UsageError(f"Shapes tell all of a {self.name}: leave --assume out.")
        return config, Agreement()

    def agreement(self, config: C | None, settings: Sequence[Settings], path: Path) -> Agreement:
        """Compare what a file says of its network with what this release computes.

        Args:
            config: that the weights tell; None where they tell none.
            settings: of the file.
            path: of the file.

        Raises:
            InputFileError: the file says something else.
        """
        return Agreement()

    def assumptions(self, names: Iterable[str]) -> tuple[str, ...]:
        """What the names of a file leave open and is taken as usual, a sentence each."""
        return ()

    def like_file(self, config: C, weights: Mapping[str, Tensor]) -> C:
        """A preset's architecture with those parts that a file is free to have, such as a head."""

    def preset_with(self, config: C) -> str | None:
        """Name of the preset with this architecture, whatever its classes; None if none."""

    def cast(self, network: Network, precision: BaseName) -> Network:
        """Copy a float32 network into a precision; what accuracy needs stays float32 in it."""

    def freeze(self, network: Network) -> None:
        """Store what the ops take as buffers, so that an exported graph has it as constants."""

    def for_size(self, network: Network, size: tuple[int, int]) -> Network:
        """A network for images of (height, width): itself, or one that is made for them.

        Raises:
            UsageError: it cannot take them.
        """
        only = network.image_size
        if only is not None and size != only:
            raise UsageError(
                f"the network takes images of {only[0]}x{only[1]} pixels alone",
                hint="drop --image-size and --dynamic-size",
            )
        return network

    def op_calls(self, config: C, task: str) -> Sequence[OpCalls]:
        """The ops of ours that a network calls for one of its tasks."""

    def summary(self, config: C) -> dict[str, Any]:
        """The architecture in a few plain values, for a person."""
