"""Vim beside DeiT: the yardstick is what its description says, and what each network needs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.beside_deit import DEIT, compare_files, needed
from benchmarks.deit import BLOCKS, CHANNELS, CLASSES, DeiTTiny, write_deit
from benchmarks.texts import vim_text
from vmamba_deploy.models import create_model

TOKENS, PATCHES, PIXELS = 197, 196, 3 * 16 * 16


def test_deit_has_the_parameters_and_products_of_its_description() -> None:
    network = DeiTTiny().eval()
    assert sum(each.numel() for each in network.parameters()) == 5_717_416
    with torch.inference_mode():
        assert network(torch.randn(2, 3, 224, 224)).shape == (2, CLASSES)
    block = TOKENS * 12 * CHANNELS**2 + 2 * TOKENS**2 * CHANNELS
    wanted = BLOCKS * block + PATCHES * PIXELS * CHANNELS + CHANNELS * CLASSES
    assert needed(network) == {"scan": 0.0, "whole": pytest.approx(wanted)}


def test_vim_needs_its_products_and_the_scans_as_their_kernel_does_them() -> None:
    counted, inner, rank, states = needed(create_model("vim_tiny")), 2 * CHANNELS, 12, 16
    scan = 24 * 2 * TOKENS * inner * (rank + 16 + 11 * states)
    linear = 3 * CHANNELS * inner + 2 * inner * (rank + 2 * states) + 2 * 4 * inner
    others = 24 * TOKENS * linear + PATCHES * PIXELS * CHANNELS + CHANNELS * CLASSES
    assert counted == {"scan": pytest.approx(scan), "whole": pytest.approx(scan + others)}


def test_a_run_has_times_ratios_and_parts(tmp_path: Path) -> None:
    path = tmp_path / "deit.onnx"
    write_deit(path)
    found = compare_files({DEIT: path, "the same": path}, threads=1, rounds=2, yardstick=DEIT)
    first, second = found["rows"]
    assert first["over_yardstick"] == {"median": 1.0, "q25": 1.0, "q75": 1.0}
    assert second["ms"]["median"] > 0
    assert first["shares"]["MatMul"] > 0.2
    rows = [row | {"whole_floor_ms": 1.0, "scan_floor_ms": 0.5} for row in found["rows"]]
    assert "floor 1.0 ms, of it scans 0.5" in vim_text({"threads": 1, "rows": rows})
