"""Networks for segmentation and detection in ONNX Runtime on a CPU: time, memory, the ops' share.

Each way runs in a process of its own, so that the memory which it held at most is its own; the
processes take turns, so that what else the machine does meets them alike. The floor is the number
of multiply-adds, of the scans as their kernel does them, over the rate that a large matrix product
attains in the same run: norms, activations, resizes and the choice of boxes are free in it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from benchmarks.network_ops import SCAN, OpRecord, record_operations
from benchmarks.session_process import Process, started
from benchmarks.timing import interleave, machine_text, spread
from vmamba_deploy import native
from vmamba_deploy.analysis.operations import (
    MULTIPLY_ADDS_PER_STATE,
    SPECIAL_MULTIPLY_ADDS,
    matrix_product_rate,
)
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import LoadedModel, load_weights
from vmamba_deploy.tasks import TASKS
from vmamba_deploy.tasks.inputs import completed_inputs

LIBRARY, BODY = "onnxruntime-library", "onnxruntime-body"


@dataclass(frozen=True)
class Case:
    """A preset and the height and width, in pixels, of its input; `meant` is the picture's."""

    preset: str
    height: int
    width: int
    meant: str


# 800 x 1333 is the largest picture of COCO, which is padded to a multiple of 32.
CASES = (
    Case("upernet_vmamba_tiny_s1l8", 512, 512, "512 x 512"),
    Case("mask_rcnn_vmamba_tiny_s1l8", 800, 1088, "800 x 1088"),
    Case("mask_rcnn_vmamba_tiny_s1l8", 800, 1344, "800 x 1333"),
)


class Session:
    """A session in a process of its own."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def __call__(self) -> float:
        """Milliseconds of one call, as the process took them."""
        return float(self._process.ask(""))

    def end(self) -> dict[str, Any]:
        """What the process held and where its time went."""
        found: dict[str, Any] = json.loads(self._process.end_of_lines())
        return found


@contextmanager
def session_process(
    model: Path, feeds: Path, threads: int, library: Path | None
) -> Iterator[Session]:
    """A process with the model open; it ends with the block."""
    words = [str(model), str(feeds), str(threads), *([str(library)] if library else [])]
    with started("benchmarks.dense_session", words) as process:
        yield Session(process)


def compare_ways(
    model: Path, feeds: Mapping[str, Any], threads: int, rounds: int
) -> list[dict[str, Any]]:
    """Time, memory and shares of a model with our library and without, on the same inputs."""
    libraries = {LIBRARY: native.library_path("vmamba_ort"), BODY: None}
    with TemporaryDirectory() as folder, ExitStack() as stack:
        kept = Path(folder) / "feeds.npz"
        np.savez(kept, **feeds)
        ways = {
            name: stack.enter_context(session_process(model, kept, threads, library))
            for name, library in libraries.items()
        }
        times = interleave(ways, rounds)
        return [
            {"competitor": name, "ms": spread(times[name]), **way.end()}
            for name, way in ways.items()
        ]


def multiply_adds(records: list[OpRecord]) -> float:
    """Of all products and convolutions, and of the scans as our kernel does them."""
    scans = [record for record in records if record.kind == SCAN]
    steps = sum(record.special_functions - record.scan_steps for record in scans)
    states = sum(record.scan_steps for record in scans)
    return (
        sum(record.flops for record in records) / 2
        + SPECIAL_MULTIPLY_ADDS * steps
        + MULTIPLY_ADDS_PER_STATE * states
    )


def measure(
    loaded: LoadedModel, case: Case, model: Path, threads: int, rounds: int
) -> dict[str, Any]:
    """One network at one size of its input."""
    pixels = np.random.default_rng(0).normal(size=(1, 3, case.height, case.width))
    feeds = {"pixel_values": pixels.astype(np.float32)}
    size = case.height, case.width
    feeds |= completed_inputs(TASKS[loaded.model.tasks[0]].inputs, {}, batch=1, size=size)
    sizes_alone = copy.deepcopy(loaded.model).to("meta")
    records = record_operations(sizes_alone, torch.empty(pixels.shape, device="meta"))
    return {
        "preset": case.preset,
        "image": case.meant,
        "input": [case.height, case.width],
        "multiply_adds": multiply_adds(records),
        "rows": compare_ways(model, feeds, threads, rounds),
    }


def compare_dense(threads: int, rounds: int) -> dict[str, Any]:
    """Every case, in fp32 with random weights, batch 1."""
    torch.set_num_threads(threads)
    cases, rates = [], []
    with TemporaryDirectory() as folder:
        for preset in dict.fromkeys(case.preset for case in CASES):
            same = [case for case in CASES if case.preset == preset]
            loaded, model = load_weights("random", preset=preset), Path(folder) / f"{preset}.onnx"
            size = same[0].height, same[0].width
            export_onnx(loaded, model, ExportOptions(image_size=size, dynamic_size=True))
            for case in same:
                rates.append(matrix_product_rate())
                cases.append(measure(loaded, case, model, threads, rounds))
    # On a shared machine the best of them: a floor is what nothing can be faster than.
    rate = max(rates)
    floors = [{"floor_ms": case["multiply_adds"] / rate * 1e3} for case in cases]
    return {
        "schema_version": 1,
        "machine": machine_text(),
        "threads": threads,
        "rounds": rounds,
        "multiply_adds_per_s": rate,
        "cases": [case | floor for case, floor in zip(cases, floors, strict=True)],
    }
