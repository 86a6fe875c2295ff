"""The kept predictions are found by the GPU's own name."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.op_predictions import kept_predictions

ROWS = [
    {"gpu": "H100 SXM", "shape": "D96 L3136 N1", "batch": 128, "total_us": 200.5},
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
