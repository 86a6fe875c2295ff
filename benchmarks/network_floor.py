"""The least time that every layer of a network needs on a GPU: bytes, products, special functions.

An operation's floor is the largest of three times: what it reads and writes once over the memory
bandwidth, its multiply-adds over the rate of the unit that does them, and its exponentials and
logarithms over the rate of the special function units. Two sums are given: every operation alone,
and with the norms and elementwise operations riding in the kernels beside them, for free.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.network_ops import (
    CONVOLUTION,
    DEPTHWISE,
    KINDS,
    PRODUCT,
    SCAN,
    OpRecord,
    record_operations,
)
from vmamba_deploy.models import resolve_preset
from vmamba_deploy.models.vmamba.network import VMamba, convert_precision, freeze_scan_parameters

IMAGE_SIDE = 224
SECTIONS = ("stem", "stage 1", "stage 2", "stage 3", "stage 4", "head")
_WORK = ("flops", "special_functions", "moved_bytes")
_SUMMED = (*_WORK, "floor_us", "measured_us")
_HEAVY = (PRODUCT, CONVOLUTION, DEPTHWISE, SCAN)


@dataclass(frozen=True)
class Rates:
    """What a GPU does in a second.

    Attributes:
        name: of the GPU.
        bytes_moved: read and written memory, as a large copy attains it.
        product_flop: of the tensor cores, in half precision.
        scalar_flop: of the float32 units, two per fused multiply-add.
        special_functions: of the special function units.
    """

    name: str
    bytes_moved: float
    product_flop: float
    scalar_flop: float
    special_functions: float


# 132 multiprocessors at 1.98 GHz: 128 fused multiply-adds and 16 special functions per clock each;
# 989 TFLOP/s is the data sheet's dense half precision, 3.0 TB/s a measured copy.
_CLOCK, _MULTIPROCESSORS = 1.98e9, 132
H100 = Rates(
    name="H100 SXM",
    bytes_moved=3.0e12,
    product_flop=989e12,
    scalar_flop=2 * 128 * _MULTIPROCESSORS * _CLOCK,
    special_functions=16 * _MULTIPROCESSORS * _CLOCK,
)


def operations(preset: str, batch: int) -> list[OpRecord]:
    """The operations of a preset in fp16 at 224 x 224; sizes alone, nothing is computed."""
    import vmamba_deploy.ops.selective_scan_2d.torch_op  # noqa: F401 - registers the op

    with torch.device("meta"):
        model = VMamba(resolve_preset(preset).config).eval()
        pixels = torch.empty(batch, 3, IMAGE_SIDE, IMAGE_SIDE)
    freeze_scan_parameters(model)
    model.to(memory_format=torch.channels_last)
    return record_operations(convert_precision(model, "fp16"), pixels)


def floor_us(record: OpRecord, rates: Rates) -> float:
    """The largest of the three times of one operation, in microseconds."""
    flop_rate = rates.scalar_flop if record.kind == DEPTHWISE else rates.product_flop
    seconds = max(
        record.moved_bytes / rates.bytes_moved,
        record.flops / flop_rate,
        record.special_functions / rates.special_functions,
    )
    return seconds * 1e6


def section(layer: str) -> str:
    """The part of the network that a module belongs to; a downsampling closes its stage."""
    stage = re.match(r"layers\.(\d)", layer)
    if stage:
        return SECTIONS[1 + int(stage[1])]
    return SECTIONS[0] if layer.startswith("patch_embed") else SECTIONS[-1]


def layer_floors(records: Sequence[OpRecord], rates: Rates = H100) -> list[dict[str, Any]]:
    """Work, floor and, where it was taken, time of each layer and kind of operation."""
    layers: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        row = layers.setdefault(
            (record.layer, record.kind),
            {"layer": record.layer, "kind": record.kind} | dict.fromkeys(_SUMMED, 0),
        )
        for name in _WORK:
            row[name] += getattr(record, name)
        row["floor_us"] += floor_us(record, rates)
        row["measured_us"] += (record.time_ms or 0.0) * 1e3
    return list(layers.values())


def summary(records: Sequence[OpRecord], rates: Rates = H100) -> dict[str, Any]:
    """Floors by section and kind, per layer, and in sum; measured times where there are some."""
    layers = layer_floors(records, rates)
    timed = any(record.time_ms is not None for record in records)
    cells = _by_section(layers, "floor_us")
    return {
        "rates": asdict(rates),
        "floor_us": cells,
        "measured_us": _by_section(layers, "measured_us") if timed else None,
        "layers": layers,
        "total_us": sum(sum(row.values()) for row in cells.values()),
        "heavy_us": sum(row[kind] for row in cells.values() for kind in _HEAVY),
        "flops": sum(record.flops for record in records),
        "moved_bytes": sum(record.moved_bytes for record in records),
    }


def _by_section(layers: Sequence[dict[str, Any]], time: str) -> dict[str, dict[str, float]]:
    cells = {name: dict.fromkeys(KINDS, 0.0) for name in SECTIONS}
    for row in layers:
        cells[section(row["layer"])][row["kind"]] += row[time]
    return cells


def network_floor(preset: str, batches: Sequence[int]) -> dict[str, Any]:
    """The floors of one preset in fp16 at each batch size."""
    by_batch = {str(batch): summary(operations(preset, batch)) for batch in batches}
    return {"schema_version": 1, "preset": preset, "precision": "fp16", "batches": by_batch}
