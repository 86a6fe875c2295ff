"""The confusion of the worst classes, as inline SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vmamba_deploy.evaluation.summary import Confusion
from vmamba_deploy.reports.plots import INK, inline_svg, svg_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WRONG = (0.76, 0.23, 0.29)
_RIGHT = (0.12, 0.61, 0.42)
_LONGEST_NAME = 22
_LONGEST_UPRIGHT = 6
_INCHES_PER_CELL = 0.42


def confusion_svg(confusion: Confusion, name: Callable[[int], str]) -> str:
    """Draw one row per true class and one column per answer, shaded by the row's share.

    Right answers are green, wrong ones red; each cell has its count. A last column counts what went
    to other classes, if anything did.

    Args:
        confusion: what to draw.
        name: of a class by its index.
    """
    from matplotlib.figure import Figure

    labels = [short(name(column)) for column in confusion.columns]
    labels += ["others"] if any(confusion.elsewhere) else []
    rows, columns = len(confusion.rows), len(labels)
    with svg_style():
        size = (3.2 + _INCHES_PER_CELL * columns, 1.9 + _INCHES_PER_CELL * rows)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        _draw_cells(axes, confusion)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.set_xticks(range(columns), labels, rotation=_rotation(labels))
        axes.set_yticks(range(rows), [short(name(row)) for row in confusion.rows])
        axes.set_xlabel("taken for")
        axes.set_ylabel("true class, the worst first")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        return inline_svg(figure)


def short(name: str) -> str:
    """A name that fits an axis."""
    return (
        name
        if len(name) <= _LONGEST_NAME
        else name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
    )


def _rotation(labels: Sequence[str]) -> int:
    """Upright where they fit side by side."""
    return 0 if max(map(len, labels)) <= _LONGEST_UPRIGHT else 90


def _draw_cells(axes: Axes, confusion: Confusion) -> None:
    from matplotlib.patches import Rectangle

    for y, (row, counts, rest) in enumerate(
        zip(confusion.rows, confusion.counts, confusion.elsewhere, strict=True)
    ):
        total = sum(counts) + rest
        for x, count in enumerate((*counts, rest)):
            if not count:
                continue
            right = x < len(confusion.columns) and confusion.columns[x] == row
            colour = (*(_RIGHT if right else _WRONG), 0.15 + 0.7 * count / total)
            axes.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, color=colour, linewidth=0))
            axes.text(x, y, str(count), ha="center", va="center", fontsize=8, color=INK)
