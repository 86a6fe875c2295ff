"""The op on a CPU: our kernel against the PyTorch reference loop and the ONNX body in ONNX Runtime.

Every round gives each contender a turn, so that what else the machine does meets them alike; a
ratio is taken within a round, and its median and quartiles are reported. The floor is the
number of multiply-adds of the kernel over the rate that a large matrix product attains in the same
process: no implementation with these polynomials can be faster.

    python benchmarks/bench_op_cpu.py --threads 2 --json op_cpu.json
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from interleaving import Call, elapsed_ms, interleave, quartiles

if TYPE_CHECKING:
    import torch

# dt projection R; softplus 15, its product with x 1; per state: decay 8, recurrence and output 3.
SPECIAL_MULTIPLY_ADDS, MULTIPLY_ADDS_PER_STATE = 16, 11


@dataclass(frozen=True)
class Shape:
    """One call: map side (H = W), channels, state, rank and how often the network has it."""

    side: int
    channels: int
    state: int
    rank: int
    layers: int = 1
    batch: int = 1

    @property
    def multiply_adds(self) -> float:
        """Of one call, counted in the source of the kernel."""
        per_step = self.rank + SPECIAL_MULTIPLY_ADDS + MULTIPLY_ADDS_PER_STATE * self.state
        return 4.0 * self.batch * self.side**2 * self.channels * per_step


BAR_SHAPE = Shape(56, 96, 1, 6)
TINY_LAYERS = (
    Shape(56, 96, 1, 6, layers=2),
    Shape(28, 192, 1, 12, layers=2),
    Shape(14, 384, 1, 24, layers=8),
    Shape(7, 768, 1, 48, layers=2),
)


def random_tensors(shape: Shape) -> tuple[torch.Tensor, ...]:
    """The op's six inputs, float32."""
    import torch

    pixels = (shape.batch, shape.side, shape.side)
    return (
        torch.randn(*pixels, shape.channels),
        torch.randn(*pixels, 4 * (shape.rank + 2 * shape.state)),
        torch.randn(4, shape.rank, shape.channels) * shape.rank**-0.5,
        torch.rand(4, shape.channels) * 5 - 6,
        -torch.exp(torch.rand(4, shape.state, shape.channels)),
        torch.randn(4, shape.channels),
    )


def call_on(op: Callable[..., object], tensors: tuple[torch.Tensor, ...]) -> Call:
    """The op on these inputs, with a float32 result."""
    return lambda: op(*tensors, 1)


def onnx_body(tensors: tuple[torch.Tensor, ...], threads: int) -> Call:
    """The op's function body of standard ops in a stock ONNX Runtime session."""
    import onnx
    import onnxruntime as ort

    from vmamba_deploy.export.function_body import selective_scan_2d_function
    from vmamba_deploy.ops import contract

    opset = 20
    names = contract.INPUT_NAMES
    node = onnx.helper.make_node(
        contract.OP_TYPE,
        list(names),
        [contract.OUTPUT_NAME],
        domain=contract.OP_DOMAIN,
        out_dtype=contract.FLOAT32,
    )
    values = [
        onnx.helper.make_tensor_value_info(name, contract.FLOAT32, tuple(tensor.shape))
        for name, tensor in zip(names, tensors, strict=True)
    ]
    y = onnx.helper.make_tensor_value_info(
        contract.OUTPUT_NAME, contract.FLOAT32, tuple(tensors[0].shape)
    )
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "op", values, [y]),
        functions=[selective_scan_2d_function(opset, state=tensors[4].shape[1])],
        opset_imports=[
            onnx.helper.make_opsetid("", opset),
            onnx.helper.make_opsetid(contract.OP_DOMAIN, contract.OP_VERSION),
        ],
        ir_version=10,
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feeds = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    return lambda: session.run(None, feeds)


def matrix_product_rate(rounds: int = 15) -> float:
    """Multiply-adds per second of a 1024 x 1024 product: the best of the rounds."""
    import torch

    left, right = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = min(elapsed_ms(lambda: left @ right) for _ in range(rounds))
    return 1024**3 / (best * 1e-3)


def compare(shape: Shape, threads: int, rounds: int) -> dict[str, Any]:
    """Our kernel against the two slow forms at one shape."""
    from vmamba_deploy.ops.torch_op import selective_scan_2d
    from vmamba_deploy.ops.torch_reference import selective_scan_2d_reference

    tensors = random_tensors(shape)
    contenders: dict[str, Call] = {
        "kernel": call_on(selective_scan_2d, tensors),
        "pytorch_reference": call_on(selective_scan_2d_reference, tensors),
        "onnxruntime_body": onnx_body(tensors, threads),
    }
    times = interleave(contenders, rounds)
    return {
        "shape": asdict(shape),
        "times_ms": {name: quartiles(values) for name, values in times.items()},
        "speedup": {
            name: quartiles(values / times["kernel"])
            for name, values in times.items()
            if name != "kernel"
        },
    }


def tiny_layers(rounds: int, rate: float) -> dict[str, Any]:
    """The kernel over the 14 scans of VMamba-T[s1l8] at 224 x 224, batch 1."""
    from vmamba_deploy.ops.torch_op import selective_scan_2d

    calls = {
        str(shape.channels): call_on(selective_scan_2d, random_tensors(shape))
        for shape in TINY_LAYERS
    }
    times = interleave(calls, rounds)
    total = sum(shape.layers * times[str(shape.channels)] for shape in TINY_LAYERS)
    floor = sum(shape.layers * shape.multiply_adds for shape in TINY_LAYERS) / rate * 1e3
    return {
        "times_ms": {name: quartiles(values) for name, values in times.items()},
        "best_ms": {name: float(values.min()) for name, values in times.items()},
        "total_ms": quartiles(np.asarray(total)),
        "floor_ms": floor,
    }


def show(report: dict[str, Any]) -> None:
    """The report as text."""
    click.echo(f"{report['isa']}, {report['threads']} threads")
    click.echo(f"matrix product: {report['multiply_adds_per_s'] / 1e9:.1f} G multiply-adds/s")
    bar = report["bar"]
    click.echo(f"D=96 56x56 N=1 R=6, floor {report['bar_floor_ms']:.2f} ms")
    for name, spread in bar["times_ms"].items():
        line = f"  {name:18s} {spread['median']:8.2f} ms ({spread['q25']:.2f}..{spread['q75']:.2f})"
        if name in bar["speedup"]:
            ratio = bar["speedup"][name]
            line += f"  {ratio['median']:6.1f}x ({ratio['q25']:.1f}..{ratio['q75']:.1f})"
        click.echo(line)
    tiny = report["tiny_s1l8"]
    for name, spread in tiny["times_ms"].items():
        click.echo(
            f"  D={name:4s} {spread['median']:.3f} ms "
            f"({spread['q25']:.3f}..{spread['q75']:.3f}, best {tiny['best_ms'][name]:.3f})"
        )
    total = tiny["total_ms"]
    click.echo(
        f"  14 scans of tiny_s1l8: {total['median']:.2f} ms "
        f"({total['q25']:.2f}..{total['q75']:.2f}), floor {tiny['floor_ms']:.2f} ms"
    )


@click.command(help=__doc__)
@click.option("--threads", default=2, show_default=True, help="Threads of every contender.")
@click.option("--rounds", default=15, show_default=True, help="Interleaved rounds.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the report here.")
def main(threads: int, rounds: int, json_path: Path | None) -> None:
    """Measure, print, and write the report if asked."""
    os.environ["VMAMBA_NUM_THREADS"] = str(threads)
    import torch

    from vmamba_deploy.ops.native_abi import load_native

    torch.set_num_threads(threads)
    with torch.inference_mode():
        rate = matrix_product_rate()
        report: dict[str, Any] = {
            "schema_version": 1,
            "isa": load_native("vmamba_cpu").function("vmamba_cpu_isa")().decode(),
            "threads": threads,
            "rounds": rounds,
            "multiply_adds_per_s": rate,
            "bar": compare(BAR_SHAPE, threads, rounds),
            "bar_floor_ms": BAR_SHAPE.multiply_adds / rate * 1e3,
            "tiny_s1l8": tiny_layers(rounds, rate),
        }
    show(report)
    if json_path is not None:
        partial = json_path.with_name(json_path.name + ".partial")
        partial.write_text(json.dumps(report, indent=2) + "\n")
        partial.replace(json_path)


if __name__ == "__main__":
    main()
