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
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from interleaving import Call, interleave, quartiles

IDENTITY = "onnxruntime-identity"


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
        IDENTITY: lambda: identity.run(None, feed),
        "onnxruntime-body": lambda: body.run(None, feed),
        "pytorch-eager": eager,
    }


def summarise(times: dict[str, npt.NDArray[np.float64]]) -> list[dict[str, object]]:
    """Median and quartiles of each time, and the median ratio to the graph without scans."""
    return [
        {
            "competitor": name,
            "ms": quartiles(values),
            "ratio_to_identity": quartiles(values / times[IDENTITY])["median"],
        }
        for name, values in times.items()
    ]


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
    if as_json:
        click.echo(json.dumps({"preset": preset, "batch": batch, "rows": summarise(times)}))
        return
    for name, values in times.items():
        spread, ratio = quartiles(values), quartiles(values / times[IDENTITY])["median"]
        click.echo(
            f"{name:<22}{spread['median']:8.1f} ms ({spread['q25']:.1f}..{spread['q75']:.1f})"
            f"  {ratio:.2f}x the graph without its scans"
        )


if __name__ == "__main__":
    main()
