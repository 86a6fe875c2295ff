"""What one pass of each loop of a kernel executes, by class of instruction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.kernel_model.classes import Kind, Pipe, kind_of, pipe_of
from benchmarks.kernel_model.flow import Block, FlowGraph, Loop, flow_graph
from benchmarks.kernel_model.sass import Function, Instruction

# The part of the passes in which a block of a loop is entered, for a branch that says nothing.
EVEN = 0.5
Line = tuple[str, int]
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class Step:
    """An instruction and the part of the passes in which it is executed."""

    instruction: Instruction
    likelihood: float


@dataclass(frozen=True)
class Passage:
    """The code that one pass of a loop executes outside of inner loops; or of no loop at all."""

    name: str  # "0.1": the second loop inside the first; "" for what lies in no loop
    depth: int
    header: Line | None
    lines: dict[str, tuple[int, int]]  # file -> first and last line of its code
    steps: list[Step]

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


def passages(function: Function) -> list[Passage]:
    """What lies in no loop, then every loop, outer ones before those inside them."""
    graph = flow_graph(function)
    likelihoods = _likelihoods(graph, None)
    found = [_passage("", 0, graph, graph.outside(), likelihoods, None)]
    for position, outermost in enumerate(graph.loops):
        found += _of_loop(graph, outermost, str(position), 1)
    return found


def _of_loop(graph: FlowGraph, loop: Loop, name: str, depth: int) -> list[Passage]:
    likelihoods = _likelihoods(graph, loop)
    found = [_passage(name, depth, graph, loop.own_blocks(), likelihoods, loop)]
    for position, inner in enumerate(loop.inner):
        found += _of_loop(graph, inner, f"{name}.{position}", depth + 1)
    return found


def _passage(
    name: str,
    depth: int,
    graph: FlowGraph,
    own: set[int],
    likelihoods: Mapping[int, float],
    loop: Loop | None,
) -> Passage:
    steps = [
        Step(each, likelihoods.get(index, 0.0))
        for index in sorted(own)
        for each in graph.blocks[index].instructions
    ]
    lines: dict[str, tuple[int, int]] = {}
    for step in steps:
        if step.instruction.line is not None:
            file, line = step.instruction.line
            first, last = lines.get(file, (line, line))
            lines[file] = (min(first, line), max(last, line))
    header = graph.blocks[loop.header].instructions[0].line if loop else None
    return Passage(name, depth, header, lines, steps)


def _likelihoods(graph: FlowGraph, loop: Loop | None) -> dict[int, float]:
    """The part of the passes of a loop (or of the runs of the kernel) in which a block is entered.

    A branch that may leave the loop is taken to stay in it, an inner loop to be entered; any other
    branch goes either way evenly.
    """
    inside = loop.blocks if loop else set(graph.blocks)
    header = loop.header if loop else 0
    headers = {header} | {each.header for _, each in graph.walk()}
    found = dict.fromkeys(inside, 0.0)
    found[header] = 1.0
    for index in _forward_order(graph.blocks, header, inside, graph):
        ways = [
            way
            for way in graph.blocks[index].successors
            if way in inside and way != header and not _is_back_edge(graph, index, way, headers)
        ]
        for way in ways:
            found[way] += found[index] * (EVEN if len(ways) == 2 else 1.0)
    return found


def _is_back_edge(graph: FlowGraph, index: int, way: int, headers: set[int]) -> bool:
    return way in headers and any(
        each.header == way and index in each.blocks for _, each in graph.walk()
    )


def _forward_order(
    blocks: Mapping[int, Block], start: int, inside: set[int], graph: FlowGraph
) -> list[int]:
    headers = {start} | {each.header for _, each in graph.walk()}
    order: list[int] = []
    seen = {start}
    stack = [(start, iter(blocks[start].successors))]
    while stack:
        index, rest = stack[-1]
        for way in rest:
            if way in inside and way not in seen and not _is_back_edge(graph, index, way, headers):
                seen.add(way)
                stack.append((way, iter(blocks[way].successors)))
                break
        else:
            order.append(index)
            stack.pop()
    return order[::-1]
