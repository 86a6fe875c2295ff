"""docs/performance.md from the kept results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.gpu_check.bars import FLATNESS
from benchmarks.network_floor import H100
from benchmarks.network_ops import KINDS
from benchmarks.op_shapes import BATCHES
from benchmarks.report import gpu_tables, network_table
from benchmarks.report.floors import gpu_name, rates_of
from benchmarks.report.op_table import absent_chain, op_reasons, op_rows, op_summary
from benchmarks.report.results import Json, Results

_TEMPLATE = "performance.md.j2"
_LAYERS_SHOWN = 12


def page_text(results: Results) -> str:
    """The page as Markdown."""
    values = _gpu_values(results) | _floor_values(results)
    text = (
        environment()
        .get_template(_TEMPLATE)
        .render(
            **values,
            cpu_op=results.cpu_op,
            cpu_model=results.cpu_model,
            cpu_machine=(results.cpu_op or results.cpu_model or {}).get("machine", ""),
        )
    )
    lines = [line.rstrip() for line in text.splitlines()]
    return _without_double_blanks(lines)


def _gpu_values(results: Results) -> dict[str, Any]:
    op, resolutions = op_rows(results), results.result("resolutions")
    return {
        "gpu": results.gpu,
        "gpu_name": gpu_name(results),
        "machine": results.result("machine"),
        "other_commits": gpu_tables.other_commits(results),
        "parts": gpu_tables.part_rows(results),
        "accuracy": gpu_tables.accuracy_rows(results),
        "tests": gpu_tables.test_rows(results),
        "sanitizer": gpu_tables.sanitizer_rows(results),
        "sanitizer_reason": gpu_tables.sanitizer_reason(results),
        "op_rows": op,
        "op_summaries": [op_summary(op, batch) for batch in BATCHES],
        "op_reasons": op_reasons(op),
        "op_absent": absent_chain(op),
        "counters": gpu_tables.counter_rows(results),
        "networks": network_table.network_rows(results),
        "network_bars": network_table.network_bars(results),
        "network_reason": network_table.network_reason(results),
        "networks_absent": network_table.not_measured(results),
        "high_resolution": resolutions,
        "resolutions": gpu_tables.resolution_rows(resolutions.get("rows", [])),
        "flatness": FLATNESS,
    }


def _floor_values(results: Results) -> dict[str, Any]:
    rates = rates_of(results)
    return {
        "floor": results.floor,
        "rates": rates,
        "rates_measured": rates is not H100,
        "kinds": KINDS,
        "largest_layers": largest_layers(results),
        "below_floor": below_floor,
    }


def environment() -> Environment:
    """Where the templates are, and what they can call."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, from results of our own
        keep_trailing_newline=True,
    )
    made.filters |= {
        "digits": three_digits,
        "fixed": fixed,
        "spread": spread_text,
        "cell": cell,
    }
    return made


def largest_layers(results: Results) -> list[Json]:
    """The layers that take longest at the largest batch size, as measured or by their floor."""
    if not results.floor:
        return []
    batch, floors = max(results.floor["batches"].items(), key=lambda item: int(item[0]))
    time = "measured_us" if floors["measured_us"] else "floor_us"
    ordered = sorted(floors["layers"], key=lambda row: -row[time])
    return [row | {"batch": batch} for row in ordered[:_LAYERS_SHOWN]]


def below_floor(floors: Json) -> bool:
    """Whether a kind of operation took less than its floor in some part of the network."""
    measured = floors["measured_us"]
    return any(
        measured[section][kind] < floor
        for section, row in floors["floor_us"].items()
        for kind, floor in row.items()
    )


def three_digits(value: float | None) -> str:
    """A number with three significant digits, or all of its whole part; `-` for none."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def fixed(value: float, places: int) -> str:
    """A number with so many decimal places."""
    return f"{value:.{places}f}"


def spread_text(spread: Json | None, missing: str = "-") -> str:
    """`median (q25..q75)`, with as many places as the median needs."""
    if spread is None:
        return missing
    places = 0 if spread["median"] >= 1000 else 1 if spread["median"] >= 100 else 2
    low, middle, high = (fixed(spread[key], places) for key in ("q25", "median", "q75"))
    return f"{middle} ({low}..{high})"


def cell(text: str | None) -> str:
    """A text on one line that does not end its cell of a table."""
    return " ".join((text or "").replace("|", "/").split())


def _without_double_blanks(lines: list[str]) -> str:
    """The lines with one blank line where there were several."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).rstrip() + "\n"
