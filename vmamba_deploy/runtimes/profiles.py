"""Where the time of a call goes: the nodes of a network as a runtime times them by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy.typing as npt

_SLOWEST = 20


@dataclass(frozen=True)
class NodeTime:
    """One node, layer or module, as the runtime calls it.

    Attributes:
        name: its own.
        kind: of it: an operator's type, a module's class.
        ms: milliseconds of one call of the network, without what runs inside of it.
    """

    name: str
    kind: str
    ms: float


@dataclass(frozen=True)
class KindTime:
    """All nodes of a kind, as `NodeTime`; `nodes` is their number."""

    kind: str
    nodes: int
    ms: float


@dataclass(frozen=True)
class Profile:
    """Where the time of a call goes.

    Attributes:
        runtime: its name.
        batch: images of a call.
        calls: that the times are the mean of.
        total_ms: of all nodes; more than a call takes without a profile.
        kinds: the slowest first.
        slowest: nodes, the slowest first, 20 at most.
    """

    runtime: str
    batch: int
    calls: int
    total_ms: float
    kinds: tuple[KindTime, ...]
    slowest: tuple[NodeTime, ...]

    def share(self, ms: float) -> float:
        """Of the total, 0 to 1."""
        return ms / self.total_ms if self.total_ms else 0.0


@runtime_checkable
class Profiling(Protocol):
    """A runtime that times the nodes of a network."""

    def profile(
        self, pixel_values: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]], calls: int
    ) -> Sequence[NodeTime]:
        """Load the model anew, call it once untimed and then so often; raises like a session."""
        ...


@dataclass(frozen=True)
class Span:
    """When a node ran, on any clock in milliseconds."""

    name: str
    kind: str
    start: float
    end: float


def profile_of(runtime: str, batch: int, calls: int, nodes: Sequence[NodeTime]) -> Profile:
    """Nodes as a profile."""
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for node in nodes:
        kinds[node.kind].append(node.ms)
    summed = [KindTime(kind, len(times), sum(times)) for kind, times in kinds.items()]
    return Profile(
        runtime,
        batch,
        calls,
        sum(node.ms for node in nodes),
        tuple(sorted(summed, key=lambda one: -one.ms)),
        tuple(sorted(nodes, key=lambda one: -one.ms)[:_SLOWEST]),
    )


class NodeTimes:
    """Adds up the times of nodes over calls."""

    def __init__(self) -> None:
        self._ms: defaultdict[tuple[str, str], float] = defaultdict(float)

    def add(self, name: str, kind: str, ms: float) -> None:
        """A node's time in one call."""
        self._ms[name, kind] += ms

    def add_spans(self, spans: Iterable[Span]) -> None:
        """What ran in one thread; of a node within another, the other's time is without it."""
        open_: list[tuple[Span, float]] = []  # with the time of what ran within
        for span in sorted(spans, key=lambda one: (one.start, -one.end)):
            while open_ and open_[-1][0].end <= span.start:
                self._close(*open_.pop())
            if open_:
                outer, within = open_.pop()
                open_.append((outer, within + span.end - span.start))
            open_.append((span, 0.0))
        for span, within in open_:
            self._close(span, within)

    def per_call(self, calls: int) -> list[NodeTime]:
        """The mean of so many calls."""
        return [NodeTime(name, kind, ms / calls) for (name, kind), ms in self._ms.items()]

    def _close(self, span: Span, within: float) -> None:
        # Ends that are rounded to a clock's step may lie behind the outer's.
        self.add(span.name, span.kind, max(span.end - span.start - within, 0.0))
