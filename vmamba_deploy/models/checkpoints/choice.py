"""Which of the networks in a checkpoint file is meant, and what it is. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightsChoice:
    """Which network of a file to take, and what of it the file does not tell.

    Attributes:
        key: of the dict of tensors within the file, `model_ema` or `student.state_dict`; None lets
            the file tell.
        prefix: of the names of its tensors, `student.backbone.`; likewise.
        assumed: (name, value) of what the network's family cannot tell from a file, such as
            `class-token` and `first`.
    """

    key: str | None = None
    prefix: str | None = None
    assumed: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Of the weights of the only network that is meant; empty: any of ours, by its names."""
        return frozenset()


@dataclass(frozen=True)
class NamedWeights(WeightsChoice):
    """The weights of a network that is at hand: its own names tell what is its.

    Attributes:
        wanted: names of its weights, parameters and buffers.
    """

    wanted: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """See `WeightsChoice`."""
        return self.wanted
