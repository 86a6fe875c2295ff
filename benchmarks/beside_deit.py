"""Vim-tiny beside DeiT-Ti, a transformer of its size, in ONNX Runtime on a CPU.

Each network runs in a process of its own and the processes take turns, as in `dense_networks`. The
floor of a network is the number of its multiply-adds, of the scans as their kernel does them, over
the rate of a large matrix product in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.deit import SIDE, DeiTTiny, write_deit
from benchmarks.dense_networks import multiply_adds, session_process
from benchmarks.network_ops import SCAN, record_operations
from benchmarks.timing import interleave, machine_text, ratio_spread, spread
from vmamba_deploy import native
from vmamba_deploy.analysis.operations import matrix_product_rate
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import create_model, load_weights

VIM, DEIT = "vim_tiny", "deit_tiny"


def compare_beside_deit(threads: int, rounds: int) -> dict[str, Any]:
    """Both networks, in fp32 with random weights, batch 1."""
    torch.set_num_threads(threads)
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.onnx" for name in (DEIT, VIM)}
        write_deit(files[DEIT])
        loaded = load_weights("random", preset=VIM)
        export_onnx(loaded, files[VIM], ExportOptions(image_size=SIDE))
        found = compare_files(files, threads, rounds, DEIT)
    needs = {DEIT: needed(DeiTTiny()), VIM: needed(create_model(VIM))}
    rate = found.pop("multiply_adds_per_s")
    floors = {
        name: {f"{part}_floor_ms": count / rate * 1e3 for part, count in parts.items()}
        for name, parts in needs.items()
    }
    rows = [row | floors[row["network"]] for row in found["rows"]]
    return {
        "schema_version": 1,
        "machine": machine_text(),
        "threads": threads,
        "rounds": rounds,
        "multiply_adds_per_s": rate,
        "rows": rows,
    }


def compare_files(
    files: Mapping[str, Path], threads: int, rounds: int, yardstick: str
) -> dict[str, Any]:
    """Time of each file and its ratio to the yardstick's in each round; parts of ops in a profile.

    Args:
        files: ONNX files of one input pixel_values [B,3,224,224], by name.
        threads: of each session.
        rounds: interleaved.
        yardstick: one of the names.
    """
    library = native.library_path("vmamba_ort")
    pixels = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    rates = [matrix_product_rate()]
    with TemporaryDirectory() as folder, ExitStack() as stack:
        feeds = Path(folder) / "feeds.npz"
        np.savez(feeds, pixel_values=pixels)
        calls = {
            name: stack.enter_context(session_process(path, feeds, threads, library))
            for name, path in files.items()
        }
        times = interleave(calls, rounds)
        ends = {name: call.end() for name, call in calls.items()}
    rates.append(matrix_product_rate())
    return {
        # On a shared machine the best: a floor is what nothing can be faster than.
        "multiply_adds_per_s": max(rates),
        "rows": [
            {
                "network": name,
                "ms": spread(times[name]),
                "over_yardstick": ratio_spread(times[name], times[yardstick]),
                "shares": ends[name]["shares"],
            }
            for name in files
        ],
    }


def needed(network: nn.Module) -> dict[str, float]:
    """Multiply-adds of one image: of the scans, and of all."""
    sizes_alone = network.to("meta").eval()
    records = record_operations(sizes_alone, torch.empty(1, 3, SIDE, SIDE, device="meta"))
    scans = [record for record in records if record.kind == SCAN]
    return {"scan": multiply_adds(scans), "whole": multiply_adds(records)}
