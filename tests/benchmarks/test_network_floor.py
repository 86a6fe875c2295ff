"""Operations of a network as they are dispatched, and the floors made of them."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import vmamba_deploy.ops.selective_scan_2d.torch_op  # noqa: F401 - registers the op
from benchmarks.network_floor import (
    H100,
    SECTIONS,
    floor_us,
    operations,
    section,
    summary,
)
from benchmarks.network_ops import DEPTHWISE, KINDS, NORM, PRODUCT, SCAN, OpRecord
from vmamba_deploy.models.vmamba.network import VMamba
from vmamba_deploy.models.vmamba.presets import PRESETS

# FLOPs with the head at 224 x 224, from the README of github.com/MzeroMiko/VMamba.
PUBLISHED_GIGA = {"vmamba_tiny_s1l8": 4.9, "vmamba_small_s2l15": 8.7, "vmamba_base_s2l15": 15.4}


@pytest.fixture(scope="module")
def tiny() -> list[OpRecord]:
    return operations("vmamba_tiny_s1l8", batch=2)


@pytest.mark.parametrize("preset", PUBLISHED_GIGA)
def test_multiply_adds_agree_with_the_published_count(preset: str) -> None:
    # Their tables count nine operations for each state update of a scan.
    done = operations(preset, batch=1)
    counted = sum(each.flops / 2 + 9 * each.scan_steps for each in done) / 1e9
    assert counted == pytest.approx(PUBLISHED_GIGA[preset], rel=0.04)


@pytest.mark.parametrize("preset", ["vmamba_tiny_s1l8", "vanilla_vmamba_tiny"])
def test_products_and_convolutions_agree_with_pytorchs_counter(preset: str) -> None:
    with torch.device("meta"):
        model = VMamba(PRESETS[preset].config).eval()
        pixels = torch.empty(3, 3, 224, 224)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(pixels)
    ours = sum(each.flops for each in operations(preset, batch=3) if each.kind != SCAN)
    assert ours == counter.get_total_flops()


def test_every_scan_is_found_with_its_steps(tiny: list[OpRecord]) -> None:
    scans = [record for record in tiny if record.kind == SCAN]
    assert [record.layer.count("op") for record in scans] == [1] * 14
    first = scans[0]
    pixels = 2 * 56 * 56
    assert first.scan_steps == 4 * pixels * 96
    assert first.special_functions == 2 * first.scan_steps
    assert first.flops == 2 * 6 * first.scan_steps
    half, full = 2, 4
    parameters = 4 * 96 * (6 + 1 + 1 + 1) * full
    assert first.moved_bytes == pixels * (96 * (half + full) + 32 * half) + parameters


def test_layers_are_named_as_in_the_state_dict(tiny: list[OpRecord]) -> None:
    with torch.device("meta"):
        names = dict(VMamba(PRESETS["vmamba_tiny_s1l8"].config).named_modules())
    assert {record.layer for record in tiny} <= names.keys()
    assert {section(record.layer) for record in tiny} == set(SECTIONS)


def test_a_floor_is_the_largest_of_the_three_times() -> None:
    def floor(**work: int) -> float:
        sizes = {"flops": 0, "scan_steps": 0, "special_functions": 0, "moved_bytes": 0}
        kind = DEPTHWISE if work.pop("depthwise", 0) else PRODUCT
        return floor_us(OpRecord("", "", kind, **(sizes | work)), H100)

    assert floor(moved_bytes=3_000_000) == pytest.approx(1.0)
    assert floor(flops=989_000_000, moved_bytes=3) == pytest.approx(1.0)
    assert floor(special_functions=int(H100.special_functions / 1e6)) == pytest.approx(1.0)
    assert floor(flops=10**9, depthwise=1) > 10 * floor(flops=10**9)


def test_the_sums_are_those_of_the_operations(tiny: list[OpRecord]) -> None:
    result = summary(tiny)
    total = sum(floor_us(record, H100) for record in tiny)
    assert result["total_us"] == pytest.approx(total)
    assert sum(layer["floor_us"] for layer in result["layers"]) == pytest.approx(total)
    light = sum(row[kind] for row in result["floor_us"].values() for kind in (NORM, "elementwise"))
    assert result["heavy_us"] == pytest.approx(total - light)
    assert all(set(row) == set(KINDS) for row in result["floor_us"].values())
    assert result["measured_us"] is None


def test_a_larger_batch_costs_in_proportion(tiny: list[OpRecord]) -> None:
    larger = operations("vmamba_tiny_s1l8", batch=256)
    assert sum(r.flops for r in larger) == 128 * sum(r.flops for r in tiny)
    assert summary(larger)["total_us"] < 128 * summary(tiny)["total_us"]


def test_maps_stay_channels_last_between_convolutions_and_products(tiny: list[OpRecord]) -> None:
    """A copy of a map's layout would show as a clone; a GPU makes none."""
    assert not [record for record in tiny if record.name == "aten::clone"]
