"""Whole-network latency on the CPU, the competitors interleaved in one run.

    python benchmarks/bench_model_cpu.py --model t --rounds 20

Compared, all in float32: ONNX Runtime with our library, the same graph with every scan replaced by
Identity (the floor: what the network costs without its scan), stock ONNX Runtime through the
function body, and eager PyTorch with our op. Only ratios within one run mean anything on a shared
machine; the spread is the interquartile range.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

Call = Callable[[], object]


def identity_graph(path: Path) -> bytes:
    """The exported graph with each scan replaced by a cast of its map: no scan, all the rest."""
    import onnx
    from onnx import helper

    from vmamba_deploy.export.passes import scan_nodes

    model = onnx.load(str(path))
    for node in scan_nodes(model):
        out_dtype = next(a.i for a in node.attribute if a.name == "out_dtype")
        node.CopyFrom(helper.make_node("Cast", [node.input[0]], node.output, to=out_dtype))
    del model.functions[:]
    return model.SerializeToString()


def competitors(preset: str, batch: int, threads: int, folder: Path) -> dict[str, Call]:
    """One callable per competitor, each a whole forward pass."""
    import torch

    from vmamba_deploy import native
    from vmamba_deploy.export import ExportOptions, export_onnx
    from vmamba_deploy.models import load_weights, resolve_preset
    from vmamba_deploy.runtimes.onnxruntime import CUSTOM_OP_LIBRARY, create_session

    torch.set_num_threads(threads)
    loaded = load_weights("random", preset=resolve_preset(preset).name)
    path = folder / "model.onnx"
    export_onnx(loaded, path, ExportOptions())
    images = np.random.default_rng(0).normal(size=(batch, 3, 224, 224)).astype(np.float32)
    library = native.library_path(CUSTOM_OP_LIBRARY)
    feed = {"pixel_values": images}
    with_library = create_session(path, library=library, threads=threads)
    identity = create_session(identity_graph(path), threads=threads)
    body = create_session(path, threads=threads)
    tensor = torch.from_numpy(images)

    def eager() -> object:
        with torch.inference_mode():
            return loaded.model(tensor)

    return {
        "onnxruntime-library": lambda: with_library.run(None, feed),
        "onnxruntime-identity": lambda: identity.run(None, feed),
        "onnxruntime-body": lambda: body.run(None, feed),
        "pytorch-eager": eager,
    }


def interleave(calls: dict[str, Call], rounds: int, warmup: int = 3) -> dict[str, list[float]]:
    """Milliseconds of each call, one of each per round, so that noise meets all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + warmup):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= warmup:
                times[name].append((time.perf_counter() - start) * 1e3)
    return times


def summarise(times: dict[str, list[float]], base: str) -> list[dict[str, object]]:
    """Median, interquartile range, and the median of the per-round ratio to `base`."""
    rows: list[dict[str, object]] = []
    for name, values in times.items():
        low, median, high = np.percentile(values, [25, 50, 75])
        ratios = np.asarray(values) / np.asarray(times[base])
        rows.append(
            {
                "competitor": name,
                "median_ms": round(float(median), 2),
                "iqr_ms": [round(float(low), 2), round(float(high), 2)],
                "ratio_to_identity": round(float(np.median(ratios)), 3),
            }
        )
    return rows


@click.command(help=__doc__)
@click.option("--model", "preset", default="t", show_default=True)
@click.option("--batch", default=1, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--rounds", default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="print one JSON document")
def main(preset: str, batch: int, threads: int, rounds: int, as_json: bool) -> None:
    """Run the comparison and print it."""
    with tempfile.TemporaryDirectory() as folder:
        times = interleave(competitors(preset, batch, threads, Path(folder)), rounds)
    rows = summarise(times, "onnxruntime-identity")
    if as_json:
        click.echo(json.dumps({"preset": preset, "batch": batch, "rows": rows}))
        return
    for row in rows:
        click.echo(
            f"{row['competitor']:<22}{row['median_ms']:>9} ms  iqr {row['iqr_ms']}"
            f"  x{row['ratio_to_identity']}"
        )


if __name__ == "__main__":
    main()
