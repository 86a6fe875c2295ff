"""Basic blocks, dominators and the nest of natural loops of a function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.kernel_model.sass import Function, Instruction

_ENDS = frozenset({"BRA", "BRX", "JMP", "JMX", "EXIT", "RET", "BRXU", "JMXU", "KILL"})


@dataclass
class Block:
    """Instructions that are executed one after the other."""

    index: int
    instructions: list[Instruction]
    successors: list[int] = field(default_factory=list)


@dataclass
class Loop:
    """A natural loop; `blocks` includes those of the loops inside it."""

    header: int
    blocks: set[int]
    inner: list[Loop] = field(default_factory=list)

    def own_blocks(self) -> set[int]:
        """The blocks that lie in no loop inside this one."""
        return self.blocks.difference(*(loop.blocks for loop in self.inner))

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Loop]]:
        """This loop and those inside it, outer ones first, with their depth."""
        yield depth, self
        for loop in self.inner:
            yield from loop.walk(depth + 1)


@dataclass(frozen=True)
class FlowGraph:
    """A function's reachable blocks and its outermost loops, in the order of their code."""

    blocks: dict[int, Block]
    loops: list[Loop]

    def walk(self) -> Iterator[tuple[int, Loop]]:
        """Every loop with its depth, outer ones first."""
        for loop in self.loops:
            yield from loop.walk()

    def outside(self) -> set[int]:
        """The blocks that lie in no loop."""
        return set(self.blocks).difference(*(loop.blocks for loop in self.loops))


def flow_graph(function: Function) -> FlowGraph:
    """The blocks that are reachable with all threads of a warp together, and their loops.

    The branch that divergent warps alone take around a collective instruction (BRA.DIV) is left
    out, and with it the code that only they execute.
    """
    blocks = _blocks(function)
    order = _postorder(blocks)
    reachable = {index: blocks[index] for index in sorted(order)}
    for block in reachable.values():
        block.successors = [index for index in block.successors if index in reachable]
    return FlowGraph(reachable, _nest(_natural_loops(reachable, _dominators(reachable, order))))


def _blocks(function: Function) -> dict[int, Block]:
    code = function.instructions
    leaders = {0}
    for position, each in enumerate(code):
        if _ends_block(each, function):
            leaders.add(position + 1)
            leaders.update(function.labels[to] for to in each.targets if to in function.labels)
    starts = sorted(position for position in leaders if position < len(code))
    blocks = {}
    for start, end in zip(starts, [*starts[1:], len(code)], strict=True):
        blocks[start] = Block(start, code[start:end], _successors(function, end))
    return blocks


def _successors(function: Function, end: int) -> list[int]:
    last = function.instructions[end - 1]
    found = []
    if _ends_block(last, function):
        diverged = last.opcode.startswith("BRA.DIV")
        if not diverged:
            found += [function.labels[to] for to in last.targets if to in function.labels]
        if not diverged and not _conditional(last):
            return found
    if end < len(function.instructions):
        found.append(end)
    return list(dict.fromkeys(found))


def _ends_block(each: Instruction, function: Function) -> bool:
    """Whether control may go elsewhere than to the next instruction.

    Before 9.0 the compiler also writes some jumps within a function as calls that never return.
    """
    return each.mnemonic in _ENDS or (
        each.mnemonic == "CALL" and any(to in function.labels for to in each.targets)
    )


def _conditional(branch: Instruction) -> bool:
    # A branch is also conditional by an operand, as in "BRA !P0, `(.L_x_3)" or "BRA.U UP0, ...".
    words = branch.operands.split(",")
    by_operand = len(words) > 1 and words[0].strip().lstrip("!").startswith(("P", "UP"))
    return bool(branch.predicate) or by_operand


def _postorder(blocks: dict[int, Block]) -> list[int]:
    order: list[int] = []
    seen = {0}
    stack = [(0, iter(blocks[0].successors))]
    while stack:
        index, rest = stack[-1]
        for successor in rest:
            if successor not in seen:
                seen.add(successor)
                stack.append((successor, iter(blocks[successor].successors)))
                break
        else:
            order.append(index)
            stack.pop()
    return order


def _dominators(blocks: dict[int, Block], postorder: list[int]) -> dict[int, set[int]]:
    predecessors: dict[int, list[int]] = {index: [] for index in blocks}
    for block in blocks.values():
        for successor in block.successors:
            predecessors[successor].append(block.index)
    everything = set(blocks)
    dominators = dict.fromkeys(blocks, everything)
    dominators[0] = {0}
    changed = True
    while changed:
        changed = False
        for index in reversed(postorder):
            if index == 0:
                continue
            common = set.intersection(*(dominators[before] for before in predecessors[index]))
            if (updated := common | {index}) != dominators[index]:
                dominators[index] = updated
                changed = True
    return dominators


def _natural_loops(blocks: dict[int, Block], dominators: dict[int, set[int]]) -> list[Loop]:
    predecessors: dict[int, list[int]] = {index: [] for index in blocks}
    for block in blocks.values():
        for successor in block.successors:
            predecessors[successor].append(block.index)
    loops: dict[int, Loop] = {}
    for block in blocks.values():
        for header in block.successors:
            if header not in dominators[block.index]:
                continue
            loop = loops.setdefault(header, Loop(header, {header}))
            todo = [block.index]
            while todo:
                index = todo.pop()
                if index not in loop.blocks:
                    loop.blocks.add(index)
                    todo.extend(predecessors[index])
    return list(loops.values())


def _nest(loops: list[Loop]) -> list[Loop]:
    outermost: list[Loop] = []
    for loop in sorted(loops, key=lambda each: (-len(each.blocks), each.header)):
        siblings = outermost
        while outer := next((each for each in siblings if loop.blocks < each.blocks), None):
            siblings = outer.inner
        siblings.append(loop)
    for each in outermost:
        _sort(each)
    return sorted(outermost, key=lambda loop: loop.header)


def _sort(loop: Loop) -> None:
    loop.inner.sort(key=lambda each: each.header)
    for each in loop.inner:
        _sort(each)
