"""The kept predictions are found by the GPU's own name."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.op_predictions import kept_kernel_predictions, kept_predictions, plain_name

LAUNCHES = [
    {"kernel": "segment_ends<__half, true>", "total_us": 7.0},
    {"kernel": "merge_routes<__half, true>", "total_us": 4.0},
    {"kernel": "merge_routes<__half, true>", "total_us": 5.0},
]
ROWS = [
    {
        "gpu": "H100 SXM",
        "shape": "D96 L3136 N1",
        "batch": 128,
        "total_us": 200.5,
        "launches": LAUNCHES,
    },
    {"gpu": "A100 SXM 80 GB", "shape": "D96 L3136 N1", "batch": 128, "total_us": 310},
]


def test_those_of_the_gpu_at_hand_alone_are_given(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    assert kept_predictions("NVIDIA H100 80GB HBM3", path) == {}
    path.write_text(json.dumps({"predictions": ROWS}))
    assert kept_predictions("NVIDIA H100 80GB HBM3", path) == {("D96 L3136 N1", 128): 200.5}
    assert kept_predictions("NVIDIA A100-SXM4-80GB", path) == {("D96 L3136 N1", 128): 310.0}
    assert kept_predictions("NVIDIA T4", path) == {}
    assert kept_predictions("", path) == {}


def test_launches_of_a_kernel_add_up_under_its_plain_name(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text(json.dumps({"predictions": ROWS}))
    assert kept_kernel_predictions("NVIDIA H100 80GB HBM3", path) == {
        ("D96 L3136 N1", 128, "segment_ends"): 7.0,
        ("D96 L3136 N1", 128, "merge_routes"): 9.0,
    }
    full = "void vmamba::merge_routes<__half, true>(vmamba::ScanParams)"
    assert plain_name(full) == "merge_routes"
    assert plain_name("Memset (Device)") == "Memset"
