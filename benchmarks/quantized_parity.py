"""What quantized networks were measured to be, as rows that are kept, and the tables of them.

A row is one export: a network, and a way of asking for 8 bits. Its figures are the worst of all
runtimes that were compared, so that a limit can be set from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks.timing import machine_text
from vmamba_deploy.precisions import PRECISIONS

Json = dict[str, Any]
SCHEMA_VERSION = 1
_GOOD_WHEN_LARGE = frozenset(
    {
        "agreement", "cosine", "decided", "decided_agreement", "decided_masks", "decided_top1",
        "found", "found_of_all", "known", "mask_iou", "mean_iou", "psnr", "top1_agreement",
        "top5_agreement",
    }
)  # fmt: skip
_ASKED = {
    "int8": "`--int8 --no-engine`",
    "int8-engine": "`--int8`",
    "fp8": "`--fp8`",
    "auto": "`--precision auto --no-engine`",
    "auto-engine": "`--precision auto`",
}


def measured(report: Json) -> Json:
    """The row of an export.

    Args:
        report: as `export_report` gives it.
    """
    manifest, engine = report["manifest"], report["manifest"]["engine"]
    runs = [run for run in report["runs"] if run["status"] != "skipped"]
    flat = [one["metrics"] for run in runs for one in run["inputs"] if one["flat"]]
    answers = [answer for run in runs for answer in run["outputs"]]
    return {
        "name": report["name"],
        "way": report["way"],
        "precision": report["precision"],
        "task": report["task"],
        "verdict": report["verdict"],
        **_quantized(report["quantization"]),
        "onnx_bytes": manifest["files"]["model.onnx"]["size_bytes"],
        "answers": {
            kind: _worst(one["metrics"] for one in answers if one["kind"] == kind)
            for kind in dict.fromkeys(answer["kind"] for answer in answers)
        },
        "flat": _worst(flat),
        "launches": engine.get("launches"),
        "products": len(engine.get("narrow_products") or ()),
        "engine_bytes": manifest["files"].get("model.engine", {}).get("size_bytes"),
    }


def _quantized(proof: Json | None) -> Json:
    """What the record says; nothing of a precision that is not quantized."""
    if proof is None:
        return {}
    facts = proof["facts"]
    layers = facts["layers"]
    narrow = [layer for layer in layers if layer.get("kept") is None]
    sums = [sum(layer["multiply_adds"] for layer in some) for some in (narrow, layers)]
    return {
        "base": facts["base"],
        "layers": len(layers),
        "quantized": len(narrow),
        "share": sums[0] / sums[1],
        "checks": {check["name"]: check["status"] for check in proof["checks"]},
    }


def _worst(figures: Iterable[Mapping[str, float | None]]) -> Json:
    """Of each figure the worst; one that could not be computed is the worst of all."""
    found: Json = {}
    for one in figures:
        for name, value in one.items():
            before = found.get(name, value)
            choose = min if name in _GOOD_WHEN_LARGE else max
            known = before is not None and value is not None
            found[name] = choose(before, value) if known else None
    return found


def with_rows(before: Json | None, rows: Sequence[Json], batch: str) -> Json:
    """What is kept, with these rows in place of older ones of the same network and way."""
    new = {(row["name"], row["way"]): row for row in rows}
    old = {(row["name"], row["way"]): row for row in (before or {}).get("rows", [])}
    return {
        "schema_version": SCHEMA_VERSION,
        "machine": machine_text(),
        "batch": batch,
        "rows": list((old | new).values()),
    }


def quantized_rows(rows: Iterable[Json]) -> list[Json]:
    """The rows in 8 bits."""
    return [row for row in rows if PRECISIONS[row["precision"]].quantized]


def networks_table(kept: Sequence[Json]) -> str:
    """What of each network is in 8 bits, what that costs, and what an engine makes of it.

    Args:
        kept: all rows, those in fp16 for their launches.
    """
    plain = {row["name"]: row["launches"] for row in kept if row["precision"] == "fp16"}
    head = (
        "network", "asked for", "layers in 8 bits", "multiply-adds", "NMSE",
        "decided: the same", "model.onnx MB", "engine MB", "products of 8 bits", "launches",
        "in fp16",
    )  # fmt: skip
    rows = [
        (
            row["name"],
            _asked(row),
            f"{row['quantized']} of {row['layers']}",
            f"{row['share']:.0%}",
            _nmse(row),
            _decided(row),
            f"{row['onnx_bytes'] / 1e6:.1f}",
            _number(row["engine_bytes"], lambda size: f"{size / 1e6:.1f}"),
            str(row["products"]) if row["launches"] else "-",
            _number(row["launches"], str),
            _number(plain.get(row["name"]) if row["launches"] else None, str),
        )
        for row in quantized_rows(kept)
    ]
    return _markdown(head, rows)


def logits_table(kept: Sequence[Json]) -> str:
    """The figures of classes' logits, with those of images of one colour."""
    head = (
        "network", "asked for", "NMSE", "1 - cosine", "max_spread", "decided: the same", "top-1",
        "one colour: NMSE", "max_spread",
    )  # fmt: skip
    rows = [
        (
            row["name"],
            _asked(row),
            _nmse(row),
            f"{1 - figures['cosine']:.1e}",
            f"{figures['max_spread']:.2f}",
            _decided(row),
            f"{figures['top1_agreement']:.0%}",
            f"{row['flat']['nmse']:.1e}",
            f"{row['flat']['max_spread']:.2f}",
        )
        for row in quantized_rows(kept)
        if (figures := row["answers"].get("logits"))
    ]
    return _markdown(head, rows)


def labels_table(kept: Sequence[Json]) -> str:
    """The figures of label maps, and of the logits that they are the largest of."""
    head = (
        "network", "asked for", "NMSE of the logits", "max_spread", "decided pixels",
        "`decided_agreement`", "`agreement`",
    )  # fmt: skip
    rows = [
        (
            row["name"],
            _asked(row),
            _nmse(row),
            f"{row['answers']['map']['max_spread']:.2f}",
            f"{figures['decided'] / figures['pixels']:.1%}",
            f"{figures['decided_agreement']:.4f}",
            f"{figures['agreement']:.4f}",
        )
        for row in quantized_rows(kept)
        if (figures := row["answers"].get("label_map"))
    ]
    return _markdown(head, rows)


def detections_table(kept: Sequence[Json]) -> str:
    """The figures of detections."""
    names = ("found", "box_pixels", "score_error", "mask_iou", "strange", "found_of_all")
    head = ("network", "asked for", "decided of all", *(f"`{name}`" for name in names))
    rows = [
        (
            row["name"],
            _asked(row),
            f"{figures['decided']} of {figures['detections']}",
            *(f"{figures[name]:.3g}" for name in names),
        )
        for row in quantized_rows(kept)
        if (figures := row["answers"].get("detection"))
    ]
    return _markdown(head, rows)


TABLES: Mapping[str, Callable[[Sequence[Json]], str]] = MappingProxyType(
    {"logits": logits_table, "label_map": labels_table, "detection": detections_table}
)
"""By the kind of an answer."""


def _asked(row: Json) -> str:
    failed = "" if row["verdict"] == "passed" else ": **refused**"
    return f"{_ASKED[row['way']]}{failed}"


def _nmse(row: Json) -> str:
    """Of the logits, whatever they are for; detections have none."""
    figures = row["answers"].get("logits") or row["answers"].get("map")
    return f"{figures['nmse']:.1e}" if figures else "-"


def _decided(row: Json) -> str:
    """How many decisions are judged, and the share of them that is kept."""
    answers = row["answers"]
    if figures := answers.get("logits"):
        return f"{figures['decided']} of {figures['images']}: {figures['decided_top1']:.0%}"
    if figures := answers.get("label_map"):
        share = figures["decided"] / figures["pixels"]
        return f"{share:.0%} of the pixels: {figures['decided_agreement']:.2%}"
    figures = answers["detection"]
    return f"{figures['decided']} of {figures['detections']}: {figures['found']:.0%}"


def _number(value: Any, text: Any) -> str:
    return "-" if value is None else text(value)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(head)}", *lines[1:]])
