"""The disassembler's listing as data: functions, instructions, their scheduling fields and lines.

An instruction of compute capability 7.0 and above has 128 bits. Its upper word holds what the
compiler decided on scheduling: how many cycles to wait before the next issue, which of six
scoreboards it sets when its result (or its reading of operands) is done, and for which it waits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.kernel_model.tools import MachineCode

_FUNCTION = re.compile(r"^\s*\.type\s+(\S+?),@function")
_ENTRY = re.compile(r"STO_CUDA_ENTRY")
_LABEL = re.compile(r"^(\.L_\w+|\$?[\w$.]+):\s*$")
_LINE = re.compile(r'^\s*//## File "([^"]+)", line (\d+)')
Line = tuple[str, int]
_INSTRUCTION = re.compile(
    r"^\s*/\*([0-9a-f]{4,})\*/\s+(?:(@!?U?P\w+)\s+)?([A-Z][\w.]*)\s*(.*?)\s*;\s*"
    r"/\* 0x([0-9a-f]{16}) \*/"
)
_UPPER_WORD = re.compile(r"^\s*/\* 0x([0-9a-f]{16}) \*/\s*$")
_TARGET = re.compile(r"`\((\S+?)\)")
_TABLE = re.compile(r'BRANCH_TARGETS ([^"]+)"')
NO_SCOREBOARD = 7


@dataclass(frozen=True)
class Instruction:
    """One machine instruction."""

    offset: int
    predicate: str  # "@P0", "@!UP1" or ""
    opcode: str  # with its modifiers, such as "LDG.E.128.CONSTANT"
    operands: str
    stall: int  # cycles until the next instruction of the warp may issue
    write_scoreboard: int  # 0..5, or NO_SCOREBOARD
    read_scoreboard: int
    waits: int  # bit i: waits for scoreboard i
    lines: tuple[Line, ...]  # file and line of the source, then of the calls it was inlined into

    @property
    def mnemonic(self) -> str:
        """The opcode without modifiers."""
        return self.opcode.split(".", 1)[0]

    @property
    def targets(self) -> list[str]:
        """The labels to which it may jump: one, or those of a jump table."""
        table = _TABLE.search(self.operands)
        return table[1].replace(" ", "").split(",") if table else _TARGET.findall(self.operands)


@dataclass
class Function:
    """A kernel, or a function that kernels call."""

    name: str
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)  # label -> index of its instruction
    entry: bool = False


@dataclass(frozen=True)
class Resources:
    """What ptxas gave a kernel."""

    registers: int
    stack_bytes: int
    spill_store_bytes: int
    spill_load_bytes: int
    static_shared_bytes: int
    barriers: int


def functions(listing: str) -> list[Function]:
    """The functions of a listing made with `nvdisasm -c -hex -gi`, in its order."""
    found: list[Function] = []
    lines: tuple[Line, ...] = ()
    new_place = True  # the next line mark begins another stack of calls
    pending: re.Match[str] | None = None
    for text in listing.splitlines():
        if begin := _FUNCTION.match(text):
            found.append(Function(begin[1]))
            lines = ()
        elif not found:
            continue
        elif _ENTRY.search(text):
            found[-1].entry = True
        elif at := _LINE.match(text):
            lines = (*(() if new_place else lines), (at[1], int(at[2])))
            new_place = False
        elif label := _LABEL.match(text):
            found[-1].labels[label[1]] = len(found[-1].instructions)
        elif instruction := _INSTRUCTION.match(text):
            pending, new_place = instruction, True
        elif pending is not None and (upper := _UPPER_WORD.match(text)):
            found[-1].instructions.append(_instruction(pending, int(upper[1], 16), lines))
            pending = None
    return found


def kernels(code: MachineCode) -> dict[str, Function]:
    """The kernels of one compiled source, by mangled name."""
    return {each.name: each for each in functions(code.listing) if each.entry}


def _instruction(match: re.Match[str], upper: int, lines: tuple[Line, ...]) -> Instruction:
    return Instruction(
        offset=int(match[1], 16),
        predicate=match[2] or "",
        opcode=match[3],
        operands=match[4],
        stall=upper >> 41 & 0xF,
        write_scoreboard=upper >> 46 & 7,
        read_scoreboard=upper >> 49 & 7,
        waits=upper >> 52 & 0x3F,
        lines=lines,
    )


def resources(ptxas: str) -> dict[str, Resources]:
    """What `ptxas -v` tells of each kernel, by mangled name."""
    return dict(_resources(ptxas))


def _resources(ptxas: str) -> Iterator[tuple[str, Resources]]:
    for part in re.split(r"Compiling entry function ", ptxas)[1:]:
        name = part[1 : part.index("'", 1)]

        def number(pattern: str, text: str = part) -> int:
            match = re.search(pattern, text)
            return int(match[1]) if match else 0

        yield (
            name,
            Resources(
                registers=number(r"Used (\d+) registers"),
                stack_bytes=number(r"(\d+) bytes stack frame"),
                spill_store_bytes=number(r"(\d+) bytes spill stores"),
                spill_load_bytes=number(r"(\d+) bytes spill loads"),
                static_shared_bytes=number(r"(\d+) bytes smem"),
                barriers=number(r"used (\d+) barriers"),
            ),
        )
