"""The page of an op is held to its specification: the tables of its inputs and attributes."""

from __future__ import annotations

import re
from pathlib import Path

from vmamba_deploy.ops.op import DTYPE_NAMES, Op
from vmamba_deploy.testing import LARGEST_LIMIT, NMSE_LIMITS


def check_page(page: Path, op: Op) -> None:
    """Compare the tables of a page with what the op's specification says."""
    text = page.read_text()
    operands = [(each, f"`{each.name}`") for each in op.inputs]
    operands += [(each, f"`{each.name}` (output)") for each in op.outputs]
    assert _rows_below(text, "Inputs and output") == [
        _row(name, each.shape_text, each.dtype, each.meaning) for each, name in operands
    ]
    assert _rows_below(text, "Attributes") == [
        _row(f"`{each.name}`", each.kind + (", required" * (each.value is None)), each.meaning)
        for each in op.attributes
    ]
    codes = [DTYPE_NAMES[code] for code in op.dtypes_of("T")]
    assert f"T is {', '.join(codes[:-1])} or {codes[-1]}. U is float32 or T." in text
    assert op.type_variables["U"] == (1, "T")


def check_bars(page: Path) -> None:
    """Compare the table of accuracies of a page with `vmamba_deploy.testing`."""
    rows = re.findall(
        r"^\| (float32|float16|bfloat16)[^|]*\| (\S+) \| (\S*) ?\|$", page.read_text(), re.M
    )
    assert {name: float(nmse) for name, nmse, _ in rows} == {
        DTYPE_NAMES[code]: bar for code, bar in NMSE_LIMITS.items()
    }
    assert [float(largest) for _, _, largest in rows if largest] == [LARGEST_LIMIT]


def _rows_below(text: str, heading: str) -> list[str]:
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")
