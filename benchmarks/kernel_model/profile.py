"""What one pass of each loop of a kernel executes, by class of instruction."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from benchmarks.kernel_model.classes import Kind, Pipe, kind_of, pipe_of
from benchmarks.kernel_model.flow import Block, FlowGraph, Loop, flow_graph
from benchmarks.kernel_model.sass import Function, Instruction, Line

# A block belongs to the source lines that at least this part of its instructions come from.
_BELONGS = 0.25
_LOOP = re.compile(r"\b(for|while) \(")
# A loop over a constant number of steps is unrolled: its line is not that of a jump back.
_UNROLLED = re.compile(r"< [\dk][\w *]*; \+\+")
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Hint:
    """Code of source lines that match, or called from them, runs in this part of the passes.

    Where several match, as of a branch inside a branch, their likelihoods multiply.
    """

    pattern: str
    likelihood: float


@dataclass(frozen=True)
class Step:
    """An instruction and the part of the passes in which it is executed."""

    instruction: Instruction
    likelihood: float


@dataclass
class Passage:
    """The code that one pass of a loop executes outside of inner loops; or of no loop at all."""

    name: str  # "0.1": the second loop inside the first; "" for what lies in no loop
    depth: int
    statements: tuple[str, ...]  # source lines that may be the loop's, the likeliest first
    place: str  # file and line of the first of them, "scan.cuh:12"
    entered: float  # how often the loop is entered in a pass of the one around it
    steps: list[Step]
    inner: list[Passage] = field(default_factory=list)

    @property
    def statement(self) -> str:
        """The source line of the loop, such as "for (int n = 0; n < count; ++n) {"."""
        return next(iter(self.statements), "")

    def walk(self) -> Iterator[Passage]:
        """This passage and all inside it, outer ones first."""
        yield self
        for passage in self.inner:
            yield from passage.walk()

    def count(self) -> float:
        """Instructions of a pass."""
        return sum(step.likelihood for step in self.steps)

    def by_kind(self) -> dict[Kind, float]:
        """Instructions of a pass by class."""
        return _weighted((kind_of(step.instruction), step.likelihood) for step in self.steps)

    def by_pipe(self) -> dict[Pipe, float]:
        """Instructions of a pass by pipe."""
        return _weighted((pipe_of(step.instruction), step.likelihood) for step in self.steps)

    def by_mnemonic(self) -> dict[str, float]:
        """Instructions of a pass by opcode without modifiers."""
        return _weighted((step.instruction.mnemonic, step.likelihood) for step in self.steps)


def _weighted(items: Iterable[tuple[_Key, float]]) -> dict[_Key, float]:
    total: dict[_Key, float] = defaultdict(float)
    for key, weight in items:
        total[key] += weight
    return total


@cache
def _lines(file: str) -> list[str]:
    path = Path(file)
    return path.read_text(errors="replace").splitlines() if path.is_file() else []


@cache
def _texts(lines: tuple[Line, ...]) -> tuple[str, ...]:
    texts = []
    for file, line in lines:
        source = _lines(file)
        texts.append(source[line - 1].strip() if line <= len(source) else "")
    return tuple(texts)


def source_texts(instruction: Instruction) -> tuple[str, ...]:
    """The source line of an instruction, then those of the calls it was inlined into."""
    return _texts(instruction.lines)


def profile(function: Function, hints: Sequence[Hint] = ()) -> Passage:
    """The code of a function outside of its loops, with the loops inside it.

    A branch of which a hint speaks has the hint's likelihood. Else a branch that may leave a loop
    is taken to stay in it, one around an inner loop to enter that, and any other to go either way
    evenly.
    """
    return _Profiler(flow_graph(function), hints).passage(None, "", 0, 1.0)


class _Profiler:
    def __init__(self, graph: FlowGraph, hints: Sequence[Hint]) -> None:
        self._graph = graph
        self._hints = [(re.compile(hint.pattern), hint.likelihood) for hint in hints]
        self._known: dict[int, float | None] = {}
        self._headers = {loop.header: loop for _, loop in graph.walk()}

    def passage(self, loop: Loop | None, name: str, depth: int, entered: float) -> Passage:
        graph = self._graph
        likelihoods = self._likelihoods(loop)
        inner = loop.inner if loop else graph.loops
        own = loop.own_blocks() if loop else graph.outside()
        steps = [
            Step(each, min(1.0, likelihoods[index]))
            for index in sorted(own)
            for each in graph.blocks[index].instructions
        ]
        lines = self._loop_lines(loop) if loop else []
        found = Passage(
            name,
            depth,
            tuple(text for text, _ in lines),
            lines[0][1] if lines else "",
            entered,
            steps,
        )
        for position, each in enumerate(inner):
            inner_name = f"{name}.{position}".lstrip(".")
            found.inner.append(
                self.passage(each, inner_name, depth + 1, min(1.0, likelihoods[each.header]))
            )
        return found

    def _loop_lines(self, loop: Loop) -> list[tuple[str, str]]:
        """Texts and places of the loop statements of a loop's own code.

        That of the jump back, unless the compiler gave the jump the line of what it last computed:
        then those of the instructions before it, and of all others.
        """
        blocks = self._graph.blocks
        latch = max(i for i in loop.blocks if loop.header in blocks[i].successors)
        order = [latch, *sorted(loop.own_blocks() - {latch})]
        code = [each for index in order for each in reversed(blocks[index].instructions)]
        found = _loop_texts(code[:1]) or _loop_texts(code)
        return list(found.items())

    def _likelihoods(self, loop: Loop | None) -> dict[int, float]:
        blocks = self._graph.blocks
        inside = loop.blocks if loop else set(blocks)
        header = loop.header if loop else 0
        found = dict.fromkeys(inside, 0.0)
        found[header] = 1.0
        order = self._forward_order(header, inside)
        reach = self._reach(order, header, inside)
        known = self._known_likelihoods(order, header, inside)
        for index in order:
            ways = self._ways(index, header, inside)
            parts = self._parts(found[index], ways, reach, known)
            for way, part in zip(ways, parts, strict=True):
                found[way] += part
        return found

    def _ways(self, index: int, header: int, inside: set[int]) -> list[int]:
        return [
            way
            for way in self._graph.blocks[index].successors
            if way in inside and way != header and not self._is_back_edge(index, way)
        ]

    def _is_back_edge(self, index: int, way: int) -> bool:
        return way in self._headers and index in self._headers[way].blocks

    def _reach(
        self, order: Sequence[int], header: int, inside: set[int]
    ) -> dict[int, frozenset[int]]:
        """The blocks that are still to come from each block in the same pass, itself included."""
        found: dict[int, frozenset[int]] = {}
        for index in reversed(order):
            after = (found[way] for way in self._ways(index, header, inside))
            found[index] = frozenset({index}).union(*after)
        return found

    def _parts(
        self,
        mass: float,
        ways: Sequence[int],
        reach: Mapping[int, frozenset[int]],
        known: Mapping[int, float],
    ) -> list[float]:
        """What goes each of the ways, from a block with this likelihood."""
        if len(ways) < 2:
            return [mass] * len(ways)
        # Where the ways meet again is no branch of its own, whatever lines it has.
        hinted = {
            way: known[way]
            for way in ways
            if way in known and not any(way in reach[other] for other in ways if other != way)
        }
        parts = dict.fromkeys(ways, 0.0)
        left = mass
        for way in sorted(hinted, key=lambda way: hinted[way]):
            parts[way] = min(hinted[way], left)
            left -= parts[way]
        free = [way for way in ways if way not in hinted]
        if not free:
            parts[max(ways, key=lambda way: parts[way])] += left
            return [parts[way] for way in ways]
        loops = {way: reach[way].intersection(self._headers) for way in free}
        common = frozenset(self._headers).intersection(*loops.values())
        entering = [way for way in free if loops[way] - common] or free
        for way in entering:
            parts[way] = left / len(entering)
        return [parts[way] for way in ways]

    def _known_likelihoods(
        self, order: Sequence[int], header: int, inside: set[int]
    ) -> dict[int, float]:
        """Of the blocks that a hint speaks of, and of those all of whose ways it speaks of."""
        come_from: dict[int, int] = defaultdict(int)
        for index in order:
            for way in self._ways(index, header, inside):
                come_from[way] += 1
        known: dict[int, float] = {}
        for index in reversed(order):
            hint = self._hint(index)
            ways = self._ways(index, header, inside)
            if hint is not None:
                known[index] = hint
            elif ways and all(way in known and come_from[way] == 1 for way in ways):
                known[index] = sum(known[way] for way in ways)
        return known

    def _hint(self, index: int) -> float | None:
        if index not in self._known:
            self._known[index] = self._find_hint(self._graph.blocks[index])
        return self._known[index]

    def _find_hint(self, block: Block) -> float | None:
        texts = [_texts(each.lines) for each in block.instructions]
        found = None
        for pattern, likelihood in self._hints:
            matching = sum(1 for frames in texts if any(map(pattern.search, frames)))
            if matching and matching >= _BELONGS * len(texts):
                found = likelihood if found is None else found * likelihood
        return found

    def _forward_order(self, start: int, inside: set[int]) -> list[int]:
        order: list[int] = []
        seen = {start}
        stack = [(start, iter(self._ways(start, start, inside)))]
        while stack:
            index, rest = stack[-1]
            for way in rest:
                if way not in seen:
                    seen.add(way)
                    stack.append((way, iter(self._ways(way, start, inside))))
                    break
            else:
                order.append(index)
                stack.pop()
        return order[::-1]


def _loop_texts(code: Sequence[Instruction]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in code:
        for text, (file, line) in zip(source_texts(each), each.lines, strict=True):
            if _LOOP.search(text) and not _UNROLLED.search(text):
                found.setdefault(text, f"{Path(file).name}:{line}")
    return found
