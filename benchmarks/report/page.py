"""docs/performance.md from the kept results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.gpu_check.bars import NETWORK_STAGES
from benchmarks.gpu_check.tables import accuracy_rows
from benchmarks.network_floor import H100, IMAGE_SIDE, summary
from benchmarks.network_ops import KINDS, SCAN, OpRecord
from benchmarks.op_predictions import predictions_for
from benchmarks.op_shapes import (
    BATCHES,
    GOAL_RATIO,
    MUST_RATIO,
    PUBLISHED,
    PUBLISHED_IMAGES_PER_S,
    OpShape,
)
from benchmarks.report.results import Json, Results

_TEMPLATE = "performance.md.j2"
_PREDICTED_GPU = "H100"
_LAYERS_SHOWN = 12


def page_text(results: Results) -> str:
    """The page as Markdown."""
    text = (
        environment()
        .get_template(_TEMPLATE)
        .render(
            gpu=results.gpu,
            environment=results.stage("environment"),
            accuracy=accuracy_rows(results.stage("accuracy").get("cases", [])),
            random_shapes=results.stage("accuracy").get("random"),
            predictions=predicted_us(results),
            op_rows=op_rows(results),
            must=MUST_RATIO,
            goal=GOAL_RATIO,
            network_rows=network_rows(results),
            published_networks=PUBLISHED_IMAGES_PER_S,
            estimates=estimated_networks(results),
            floor=results.floor,
            rates=next(iter(results.floor["batches"].values()))["rates"] if results.floor else None,
            kinds=KINDS,
            largest_layers=largest_layers(results),
            high_resolution=results.stage("high_resolution"),
            resolutions=resolution_rows(results.stage("high_resolution").get("rows", [])),
            predicted_resolutions=resolution_rows(
                (results.predicted_resolutions or {}).get("rows", [])
            ),
            cpu_op=results.cpu_op,
            cpu_model=results.cpu_model,
            cpu_machine=(results.cpu_op or results.cpu_model or {}).get("machine", ""),
        )
    )
    lines = [line.rstrip() for line in text.splitlines()]
    return _without_double_blanks(lines)


def environment() -> Environment:
    """Where the templates are, and what they can call."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=False,
        autoescape=False,  # Markdown, from results of our own
        keep_trailing_newline=True,
    )
    made.filters |= {"digits": three_digits, "fixed": fixed, "last_line": _last_line}
    return made


def with_measured_layers(results: Results) -> Results:
    """The floor with the layer times of the GPU check beside it, at their batch size."""
    layers = results.stage("layers")
    if not results.floor or not layers.get("rows"):
        return results
    records = [OpRecord(**row) for row in layers["rows"]]
    batches = dict(results.floor["batches"])
    batches[str(layers["batch"])] = summary(records, H100)
    return replace(results, floor=results.floor | {"batches": batches})


def predicted_us(results: Results) -> dict[tuple[str, int], float]:
    """Predicted microseconds by shape and batch size, for the GPU of the record or an H100."""
    gpu = results.stage("environment").get("gpu", {}).get("name", _PREDICTED_GPU)
    return predictions_for(gpu, (results.kernel_model or {}).get("predictions", []))


def op_rows(results: Results) -> list[Json]:
    """One row per shape and batch: published, floor, predicted and, from a GPU, ours."""
    measured = {
        (row["shape"], row["batch"]): row for row in results.stage("op_timing").get("rows", [])
    }
    predictions = predicted_us(results)
    rows = []
    for batch in BATCHES:
        for shape, published in PUBLISHED.items():
            ours: Json = measured.get((shape.name, batch), {})
            predicted = predictions.get((shape.name, batch))
            floor = ours["floor"] if ours else computed_floor_us(shape, batch)
            rows.append(
                {
                    "shape": shape.name,
                    "batch": batch,
                    "published_us": published[batch].chain_us,
                    "published_scan_us": published[batch].scan_kernel_us,
                    "bytes_us": floor["bytes"],
                    "floor_us": floor["larger"],
                    "predicted_us": predicted,
                    "predicted_ratio": published[batch].chain_us / predicted if predicted else None,
                    "ours_us": ours["times_us"]["ours"] if ours else None,
                    "ratio": ours.get("published_chain_over_ours"),
                    "plain_ratio": ours.get("plain_chain_over_ours"),
                    "over_predicted": ours["times_us"]["ours"]["median"] / predicted
                    if ours and predicted
                    else None,
                }
            )
    return rows


def computed_floor_us(shape: OpShape, batch: int) -> dict[str, float]:
    """The floor of a shape at the rates of an H100: of its bytes, and with special functions."""
    moved = shape.bytes_moved(batch) / H100.bytes_moved * 1e6
    special = shape.special_functions(batch) / H100.special_functions * 1e6
    return {"bytes": moved, "larger": max(moved, special)}


def network_rows(results: Results) -> list[Json]:
    """The networks of every stage, with what the public code reached where that is known."""
    rows = []
    for stage in NETWORK_STAGES:
        for row in results.stage(stage).get("rows", []):
            published = PUBLISHED_IMAGES_PER_S.get(row["model"], {}) if row["batch"] == 128 else {}
            way = "torch.compile" if "compile" in row["runtime"] else None
            way = way or f"{row['runtime']} {row['precision']}"
            rows.append(row | {"published": published.get(way)})
    return rows


def largest_layers(results: Results) -> list[Json]:
    """The layers that take longest at the largest batch size, as measured or by their floor."""
    if not results.floor:
        return []
    batch, floors = max(results.floor["batches"].items(), key=lambda item: int(item[0]))
    time = "measured_us" if floors["measured_us"] else "floor_us"
    ordered = sorted(floors["layers"], key=lambda row: -row[time])
    return [row | {"batch": batch} for row in ordered[:_LAYERS_SHOWN]]


def estimated_networks(results: Results) -> dict[int, float]:
    """Microseconds of the network by batch size: the scans as predicted, the rest at its floor.

    Every operation alone, as eager PyTorch runs them; a bound from below and no promise.
    """
    predicted = (results.predicted_resolutions or {}).get("rows", [])
    scans = {row["batch"]: row["us"] for row in predicted if row["height"] == IMAGE_SIDE}
    estimates = {}
    for batch, floors in (results.floor or {"batches": {}})["batches"].items():
        if int(batch) in scans:
            floor_of_scans = sum(row[SCAN] for row in floors["floor_us"].values())
            estimates[int(batch)] = floors["total_us"] - floor_of_scans + scans[int(batch)]
    return estimates


def resolution_rows(rows: Sequence[Json]) -> list[Json]:
    """The rows with a full batch, each with the cost of a single image beside it."""
    single = {
        (row["height"], row["width"]): row["ns_per_pixel"] for row in rows if row["batch"] == 1
    }
    return [
        row | {"single": single.get((row["height"], row["width"]))}
        for row in rows
        if row["full_batch"]
    ]


def three_digits(value: float) -> str:
    """A number with three significant digits, or all of its whole part."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def fixed(value: float, places: int) -> str:
    """A number with so many decimal places."""
    return f"{value:.{places}f}"


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].replace("|", "/") if lines else ""


def _without_double_blanks(lines: list[str]) -> str:
    """The lines with one blank line where there were several, none within a table."""
    kept: list[str] = []
    for number, line in enumerate(lines):
        if line:
            kept.append(line)
            continue
        rest = next((later for later in lines[number:] if later), "")
        in_table = bool(kept) and kept[-1].startswith("|") and rest.startswith("|")
        if kept and kept[-1] and not in_table:
            kept.append("")
    return "\n".join(kept).rstrip() + "\n"
