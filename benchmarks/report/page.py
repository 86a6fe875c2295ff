"""docs/performance.md, comparison.md, accuracy.md, and tables of other pages: from what is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.targets import FLATNESS, LATENCY_MS, MODEL_RATIO
from benchmarks.network_floor import H100
from benchmarks.network_ops import KINDS
from benchmarks.op_shapes import BATCHES
from benchmarks.quantized_parity import TABLES, networks_table
from benchmarks.report import accuracy, comparison, gpu_tables
from benchmarks.report.figures import draw_figures
from benchmarks.report.gpu_tables import best_row, network_rows
from benchmarks.report.op_table import (
    absent_chain,
    gpu_name,
    network_floor_of,
    op_reasons,
    op_rows,
    op_summary,
    rates_of,
    with_measured_layers,
)
from benchmarks.report.results import Json, Results, kept_results
from benchmarks.report.templates import rendered, three_digits
from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import InputFileError

_TEMPLATE = "performance.md.j2"
_LAYERS_SHOWN = 12


def page_text(results: Results) -> str:
    """The page as Markdown."""
    values = _gpu_values(results) | _floor_values(results)
    return rendered(
        _TEMPLATE,
        **values,
        cpu_op=results.cpu_op,
        cpu_model=results.cpu_model,
        cpu_dense=results.cpu_dense,
        cpu_vim=results.cpu_vim,
        cpu_machine=(results.cpu_op or results.cpu_model or {}).get("machine", ""),
    )


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
        "sequences": gpu_tables.sequence_rows(results),
        "counters": gpu_tables.counter_rows(results),
        "networks": gpu_tables.network_rows(results),
        "network_targets": gpu_tables.network_targets(results),
        "network_reason": gpu_tables.network_reason(results),
        "networks_absent": gpu_tables.not_measured(results),
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


README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- results, made by `python -m benchmarks report`: do not edit -->\n"
END = "<!-- end of results -->\n"
_SHOWN = "D96 L3136 N1"
_SHOWN_AS = "the op with x_proj on a GPU (D 96, 56 x 56, N 1), fp16"
_MODEL = "vmamba_tiny_s1l8"
_GRAPH = "pytorch-cuda-graph"
_UNKNOWN = "not measured yet"
_PUBLIC_FORM = "the public form in eager mixed precision"
_IDENTITY = "onnxruntime-identity"
_CPU_RUNTIMES = {
    "onnxruntime-library": "VMamba-T fp32, ONNX Runtime with our library, on the CPU",
    "onnxruntime-body": "VMamba-T fp32, stock ONNX Runtime (function body), on the CPU",
}


def readme_text(results: Results, before: str) -> str:
    """The README with its results made anew.

    Raises:
        InputFileError: the marks are not there, or not in their order.
    """
    return with_section(before, section(results), (BEGIN, END), README)


def with_section(before: str, text: str, marks: tuple[str, str], page: Path) -> str:
    """A page with what stands between two lines made anew.

    Raises:
        InputFileError: the lines are not there, or not in their order.
    """
    first, last = marks
    head, begin, rest = before.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise InputFileError(
            f"{page.name} has no place for the results",
            hint=f"put these lines around it: {first.strip()} and {last.strip()}",
        )
    return f"{head}{first}\n{text}\n{last}{tail}"


def section(results: Results) -> str:
    """What stands between the marks."""
    throughput, latency = _throughput_row(results), _latency_row(results)
    text = rendered(
        "readme_results.md.j2",
        gpu=results.gpu,
        gpu_name=gpu_name(results),
        rates_measured=rates_of(results) is not H100,
        gpu_rows=[*_op_rows(results), throughput, latency, _flatness_row(results)],
        cpu_op=results.cpu_op,
        cpu_rows=_cpu_rows(results),
        cpu_machine=(results.cpu_op or results.cpu_model or {}).get("machine"),
        comparison=comparison.readme_values(results.comparison),
    )
    return text.strip() + "\n"


def _op_rows(results: Results) -> list[Json]:
    every = op_rows(results)
    rows = []
    for batch in BATCHES:
        row = next(each for each in every if (each["shape"], each["batch"]) == (_SHOWN, batch))
        summary = op_summary(every, batch)
        ratio, asked = row["ratio"], f"aim: {summary['must']:.0f}x"
        others = f"against the reference chain: {_UNKNOWN} ({asked})"
        if ratio:
            low, high = (three_digits(value) for value in summary["span"])
            others = (
                f"{three_digits(ratio['median'])}x the reference chain ({asked}); "
                f"{low}x to {high}x at the {summary['measured']} judged shapes"
            )
        rows.append(
            {
                "what": f"{_SHOWN_AS}, batch {batch}",
                "ours": f"{three_digits(row['ours']['median'])} us" if row["ours"] else _UNKNOWN,
                "yardstick": f"floor {three_digits(row['floor']['larger'])} us",
                "others": others,
            }
        )
    return rows


def _throughput_row(results: Results) -> Json:
    """The fastest way of VMamba-T in half precision at batch 128."""
    best = best_row(results, _MODEL, 128)
    floor = network_floor_of(results, _MODEL, 128)
    alone, fused = (f"{128 / ms * 1e3:.0f}" for ms in (floor.alone, floor.fused))
    return {
        "what": "VMamba-T fp16 on a GPU, batch 128" + (f", {best['competitor']}" if best else ""),
        "ours": f"{best['images_per_s']:.0f} images/s" if best else _UNKNOWN,
        "yardstick": f"floor: {alone} images/s with every operation alone, {fused} fused",
        "others": _over_public(best, f"{MODEL_RATIO:g}x"),
    }


def _latency_row(results: Results) -> Json:
    """VMamba-T at batch 1 as a CUDA graph."""
    rows = [
        row
        for row in network_rows(results)
        if (row["preset"], row["batch"], row["competitor"]) == (_MODEL, 1, _GRAPH)
    ]
    row = rows[0] if rows and rows[0].get("agrees") else None
    floor = three_digits(network_floor_of(results, _MODEL, 1).alone)
    return {
        "what": "VMamba-T fp16 on a GPU, batch 1, as a CUDA graph",
        "ours": f"{row['ms']['median']:.2f} ms" if row else _UNKNOWN,
        "yardstick": f"floor {floor} ms with every operation alone",
        "others": _over_public(row, f"a time of at most {LATENCY_MS:g} ms"),
    }


def _over_public(row: Json | None, asked: str) -> str:
    if row is None or row["over_public"] is None:
        return f"against {_PUBLIC_FORM}: {_UNKNOWN} (aim: {asked})"
    return f"{three_digits(row['over_public'])}x {_PUBLIC_FORM} (aim: {asked})"


def _flatness_row(results: Results) -> Json:
    spread = results.result("resolutions").get("largest_over_smallest")
    return {
        "what": "VMamba-T fp16 on a GPU, 224 x 224 to 1280 x 800: cost per pixel",
        "ours": f"{spread:.2f}, largest over smallest" if spread else _UNKNOWN,
        "yardstick": "1.00 is linear",
        "others": f"aim: at most {FLATNESS:g}",
    }


def _cpu_rows(results: Results) -> list[Json]:
    times = {row["competitor"]: row for row in (results.cpu_model or {}).get("rows", [])}
    if _IDENTITY not in times:
        return []
    return [
        {
            "what": what,
            "ms": times[name]["ms"]["median"],
            "over_identity": times[name]["ms"]["median"] / times[_IDENTITY]["ms"]["median"],
            "over_eager": times[name]["over_yardstick"]["median"],
        }
        for name, what in _CPU_RUNTIMES.items()
        if name in times
    ]


DOCS = README.parent / "docs"
PAGE = DOCS / "performance.md"
COMPARISON = DOCS / "comparison.md"
ACCURACY = DOCS / "accuracy.md"
PARITY = DOCS / "parity.md"
QUANTIZATION = DOCS / "quantization.md"
FIGURES = DOCS / "figures"


def write_all() -> list[Path]:
    """Make them anew; returns what was written."""
    results = _results()
    texts = _texts(results)
    for path, text in texts.items():
        with atomic_write(path) as partial:
            partial.write_text(text)
    return [*texts, *draw_figures(results, op_rows(results), FIGURES)]


def stale_texts() -> list[Path]:
    """The page and the README, where they are not what the kept results give."""
    expected = _texts(_results())
    return [path for path, text in expected.items() if path.read_text() != text]


def _results() -> Results:
    return with_measured_layers(kept_results())


def _texts(results: Results) -> dict[Path, str]:
    return {
        PAGE: page_text(results),
        COMPARISON: rendered("comparison.md.j2", **comparison.values(results.comparison)),
        ACCURACY: rendered("accuracy.md.j2", **accuracy.values(results.accuracy)),
        README: readme_text(results, README.read_text()),
        QUANTIZATION: quantized(QUANTIZATION, (networks_table,), results),
        PARITY: quantized(PARITY, tuple(TABLES.values()), results),
    }


QUANTIZED = (
    "<!-- networks in 8 bits, made by `python -m benchmarks report`: do not edit -->\n",
    "<!-- end of networks in 8 bits -->\n",
)


def quantized(page: Path, tables: tuple[Callable[[list[Json]], str], ...], results: Results) -> str:
    """A page with its tables of networks in 8 bits made anew.

    Raises:
        InputFileError: it has no place for them.
    """
    kept = results.quantization
    text = "Not measured yet.\n"
    if kept is not None:
        made = "\n\n".join(table(kept["rows"]) for table in tables)
        text = f"{made}\n\n{kept['machine']}\n"
    return with_section(page.read_text(), text, QUANTIZED, page)
