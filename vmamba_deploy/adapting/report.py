"""What `adapt` found in a network and what it did about it."""

from __future__ import annotations

from dataclasses import dataclass

SCAN_2D = "vmamba::SelectiveScan2D"
SCAN = "vmamba::SelectiveScan"


@dataclass(frozen=True)
class Replaced:
    """One module that now computes with our operator.

    Attributes:
        path: of the module in the network, such as `layers.0.blocks.1.op`; empty for the network
            itself.
        what: what was found there.
        by: what stands in its place.
    """

    path: str
    what: str
    by: str


@dataclass(frozen=True)
class Unknown:
    """One module that looks as if it scanned, and that was left as it is.

    Attributes:
        path: of the module in the network; empty for the network itself.
        what: what it looks like.
        why: what was missed.
    """

    path: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{_place(self)}: {self.what}: {self.why}"


@dataclass(frozen=True)
class AdaptReport:
    """What `adapt` did, in the order of the network's modules.

    Attributes:
        replaced: the modules that now compute with our operator.
        unknown: those that were left as they are.
    """

    replaced: tuple[Replaced, ...]
    unknown: tuple[Unknown, ...]

    def __str__(self) -> str:
        lines = [f"replaced  {_place(one)}: {one.what} by {one.by}" for one in self.replaced]
        lines += [f"unknown   {one}" for one in self.unknown]
        return "\n".join(lines)


def _place(one: Replaced | Unknown) -> str:
    return one.path or "the network itself"
