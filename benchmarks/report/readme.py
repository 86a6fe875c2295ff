"""The results of the README: a short table between two marks, from the kept results."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gpu_check.bars import FLATNESS, LATENCY_MS, MODEL_RATIO
from benchmarks.network_floor import H100
from benchmarks.op_shapes import BATCHES
from benchmarks.report.floors import gpu_name, network_floor_of, rates_of
from benchmarks.report.network_table import best_row, network_rows
from benchmarks.report.op_table import op_rows, op_summary
from benchmarks.report.page import environment, three_digits
from benchmarks.report.results import Json, Results
from vmamba_deploy.errors import InputFileError

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
    head, begin, rest = before.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise InputFileError(
            f"{README.name} has no place for the results",
            hint=f"put these lines around it: {BEGIN.strip()} and {END.strip()}",
        )
    return f"{head}{BEGIN}\n{section(results)}\n{END}{tail}"


def section(results: Results) -> str:
    """What stands between the marks."""
    throughput, latency = _throughput_row(results), _latency_row(results)
    text = (
        environment()
        .get_template("readme_results.md.j2")
        .render(
            gpu=results.gpu,
            gpu_name=gpu_name(results),
            rates_measured=rates_of(results) is not H100,
            gpu_rows=[*_op_rows(results), throughput, latency, _flatness_row(results)],
            cpu_op=results.cpu_op,
            cpu_rows=_cpu_rows(results),
            cpu_machine=(results.cpu_op or results.cpu_model or {}).get("machine"),
        )
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
