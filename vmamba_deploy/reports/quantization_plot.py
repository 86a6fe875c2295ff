"""The curve of a quantization: the share of the multiply-adds in 8 bits against the error."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from vmamba_deploy.reports.plots import COLOURS, INK, inline_svg, svg_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from vmamba_deploy.artifacts.quantization_facts import LayerFacts, QuantizationFacts

_SUM, _MEASURED, _TAKEN, _BUDGET = COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[4]
_NAMED = 4


def selection_svg(facts: QuantizationFacts) -> str | None:
    """Draw what each further layer costs, from the one that saves the most for its error on.

    The sums of what layers cost alone are a line, sets that were measured are points, and the
    dearest layers have numbers, and their names at the foot. None where layers were not measured.
    """
    from matplotlib.figure import Figure

    order = sorted((one for one in facts.layers if one.nmse is not None), key=_price)
    if not order or facts.max_nmse is None:
        return None
    with svg_style():
        figure = Figure(figsize=(9.0, 4.2), layout="constrained")
        axes = figure.subplots()
        _draw_sums(axes, order, sum(layer.multiply_adds for layer in facts.layers))
        shares = [100 * one.share for one in facts.curve]
        errors = [one.nmse for one in facts.curve]
        axes.plot(shares, errors, "o", color=_MEASURED, label="measured together")
        if facts.nmse is not None:
            axes.plot(
                [100 * facts.share], [facts.nmse], "D", color=_TAKEN, markersize=8, label="taken"
            )
        axes.axhline(facts.max_nmse, color=_BUDGET, linestyle="--", linewidth=1, label="budget")
        axes.set_yscale("log")
        axes.set_xlim(0, 103)
        axes.set_xlabel("multiply-adds of the layers in 8 bits, %")
        axes.set_ylabel("NMSE of the outputs")
        axes.grid(axis="y", alpha=0.25, color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.16), ncols=4)
        return inline_svg(figure)


def _price(layer: LayerFacts) -> float:
    return (layer.nmse or 0.0) / max(layer.multiply_adds, 1)


def _draw_sums(axes: Axes, order: list[LayerFacts], total: int) -> None:
    shares = [100 * saved / total for saved in accumulate(one.multiply_adds for one in order)]
    sums = list(accumulate(one.nmse or 0.0 for one in order))
    axes.plot(shares, sums, color=_SUM, linewidth=1.6, marker=".", label="sum of layers alone")
    dearest = sorted(range(len(order)), key=lambda place: -(order[place].nmse or 0.0))[:_NAMED]
    for number, place in enumerate(dearest, 1):
        point = (shares[place], sums[place])
        axes.annotate(
            str(number), point, xytext=(-4, 7), textcoords="offset points", fontsize=8, color=INK
        )
    told = [
        f"{number}  {order[place].name}: {order[place].nmse:.1e}"
        for number, place in enumerate(dearest, 1)
    ]
    axes.text(0.97, 0.04, "\n".join(told), ha="right", transform=axes.transAxes, fontsize=8)
