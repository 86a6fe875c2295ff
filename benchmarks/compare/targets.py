"""What was asked of the comparison, judged from its record alone: ratios within the same rounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.compare.ways import ONNXRUNTIME, OPENVINO
from benchmarks.gpu_check.targets import target

Json = dict[str, Any]
NETWORK, SIDE, BATCHES, THREADS = "VMamba-T", 224, (1, 8), 2
OPENVINO_RATIO = 1.0  # VMamba-T in fp32 over Swin-T
INT8_RATIO = 0.56  # over fp32 in ONNX Runtime


def judge(record: Json) -> list[Json]:
    """Every target; unmeasured where the record has no such row, or not of two threads."""
    return [*_openvino(record), *_int8(record)]


def row_of(
    record: Json, network: str, runtime: str, precision: str, batch: int, side: int = SIDE
) -> Json | None:
    """A row of the record; None where it has none."""
    wanted = {"runtime": runtime, "precision": precision, "batch": batch}
    for group in record.get("groups", []):
        if (group["network"], group["side"]) == (network, side):
            for row in group["rows"]:
                if all(row[name] == value for name, value in wanted.items()):
                    found: Json = row
                    return found
    return None


def _ratio(record: Json, runtime: str, precision: str, batch: int, name: str) -> float | None:
    row = row_of(record, NETWORK, runtime, precision, batch) if _judged(record) else None
    ratio: float | None = row[name]["median"] if row and name in row else None
    return ratio


def _judged(record: Json) -> bool:
    return record.get("threads") == THREADS


def _openvino(record: Json) -> Iterator[Json]:
    for batch in BATCHES:
        ratio = _ratio(record, OPENVINO, "fp32", batch, "over_yardstick_here")
        name = f"{NETWORK} fp32 in OpenVINO over {record['yardstick']} there, batch {batch}"
        yield target(name, OPENVINO_RATIO, ratio, least=False)


def _int8(record: Json) -> Iterator[Json]:
    for batch in BATCHES:
        ratio = _ratio(record, ONNXRUNTIME, "int8", batch, "over_fp32")
        name = f"{NETWORK} INT8 over fp32 in ONNX Runtime, batch {batch}"
        yield target(name, INT8_RATIO, ratio, least=False)
