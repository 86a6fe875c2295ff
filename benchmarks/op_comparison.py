"""The op on a CPU: our kernel against PyTorch's tensor operations and the ONNX body.

Every round gives each contender a turn, so that what else the machine does meets them alike; a
ratio is taken within a round, and its median and quartiles are reported. The floor is the
number of multiply-adds of the kernel over the rate that a large matrix product attains in the same
process: no implementation with these polynomials can be faster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import onnx
import onnxruntime as ort
import torch

from benchmarks.c_interface import load_native
from benchmarks.op_shapes import RESOLUTIONS
from benchmarks.plain_chain import scan_routes
from benchmarks.timing import Call, interleave, machine_text, ratio_spread, spread
from vmamba_deploy.analysis.operations import matrix_product_rate, scan_multiply_adds
from vmamba_deploy.ops.onnx_forms import function_body
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan_2d.specification import ROUTES, ScanDims
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D as OP
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.ops.selective_scan_2d.torch_reference import selective_scan_2d_reference
from vmamba_deploy.testing import random_tensors


@dataclass(frozen=True)
class Shape:
    """One call on one image: the map, channels, state, rank; how often the network has it."""

    height: int
    width: int
    channels: int
    state: int
    rank: int
    layers: int = 1

    @property
    def multiply_adds(self) -> float:
        """Of one call, counted in the source of the kernel."""
        steps = ROUTES * self.height * self.width * self.channels
        return float(scan_multiply_adds(steps, self.rank, self.state))


TARGET_SHAPE = Shape(56, 56, 96, 1, 6)
TINY_LAYERS = (
    Shape(56, 56, 96, 1, 6, layers=2),
    Shape(28, 28, 192, 1, 12, layers=2),
    Shape(14, 14, 384, 1, 24, layers=8),
    Shape(7, 7, 768, 1, 48, layers=2),
)


def float32_tensors(shape: Shape) -> tuple[torch.Tensor, ...]:
    """The op's six inputs, float32, on the CPU."""
    dims = ScanDims(1, shape.height, shape.width, shape.channels, shape.state, shape.rank)
    return random_tensors(dims, torch.float32, "cpu").scan


def call_on(op: Callable[..., object], tensors: tuple[torch.Tensor, ...]) -> Call:
    """The op on these inputs, with a float32 result."""
    return lambda: op(*tensors, 1)


def onnx_body(tensors: tuple[torch.Tensor, ...], threads: int) -> Call:
    """The op's function body of standard ops in a stock ONNX Runtime session."""
    opset = 20
    names = OP.input_names
    node = onnx.helper.make_node(
        OP.op_type, list(names), ["y"], domain=OP.domain, out_dtype=FLOAT32
    )
    values = [
        onnx.helper.make_tensor_value_info(name, FLOAT32, tuple(tensor.shape))
        for name, tensor in zip(names, tensors, strict=True)
    ]
    y = onnx.helper.make_tensor_value_info("y", FLOAT32, tuple(tensors[0].shape))
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "op", values, [y]),
        functions=[function_body(OP, opset, {"N": tensors[4].shape[1]})],
        opset_imports=[
            onnx.helper.make_opsetid("", opset),
            onnx.helper.make_opsetid(OP.domain, OP.version),
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


def compare(shape: Shape, threads: int, rounds: int) -> dict[str, Any]:
    """Our kernel against the slow forms at one shape."""
    tensors = float32_tensors(shape)
    x, proj, *parameters = tensors
    by_route = proj.unflatten(-1, (4, -1))
    contenders: dict[str, Call] = {
        "kernel": call_on(selective_scan_2d, tensors),
        "pytorch_loop": call_on(selective_scan_2d_reference, tensors),
        "pytorch_chunks": lambda: scan_routes(x, by_route, *parameters),
        "onnxruntime_body": onnx_body(tensors, threads),
    }
    times = interleave(contenders, rounds)
    return {
        "shape": asdict(shape),
        "times_ms": {name: spread(values) for name, values in times.items()},
        "speedup": {
            name: ratio_spread(values, times["kernel"])
            for name, values in times.items()
            if name != "kernel"
        },
    }


def tiny_layers(rounds: int, rate: float) -> dict[str, Any]:
    """The kernel over the 14 scans of VMamba-T[s1l8] at 224 x 224, batch 1."""
    calls = {
        str(shape.channels): call_on(selective_scan_2d, float32_tensors(shape))
        for shape in TINY_LAYERS
    }
    times = interleave(calls, rounds)
    total = [
        sum(shape.layers * times[str(shape.channels)][number] for shape in TINY_LAYERS)
        for number in range(rounds)
    ]
    floor = sum(shape.layers * shape.multiply_adds for shape in TINY_LAYERS) / rate * 1e3
    return {
        "times_ms": {name: spread(values) for name, values in times.items()},
        "best_ms": {name: min(values) for name, values in times.items()},
        "total_ms": spread(total),
        "floor_ms": floor,
    }


def resolutions(rounds: int) -> list[dict[str, Any]]:
    """The first stage's op, whose map has a quarter of the image's sides: cost of a pixel."""
    calls = {
        f"{height}x{width}": call_on(
            selective_scan_2d, float32_tensors(Shape(height // 4, width // 4, 96, 1, 6))
        )
        for height, width in RESOLUTIONS
    }
    times = interleave(calls, rounds)
    return [
        {
            "height": height,
            "width": width,
            "ns_per_pixel": spread(
                [ms * 1e6 / (height * width) for ms in times[f"{height}x{width}"]]
            ),
        }
        for height, width in RESOLUTIONS
    ]


def compare_op(threads: int, rounds: int) -> dict[str, Any]:
    """The report: the op at the shape of the target, and the 14 scans of VMamba-T."""
    torch.set_num_threads(threads)
    with torch.inference_mode():
        rate = matrix_product_rate()
        return {
            "schema_version": 1,
            "machine": machine_text(),
            "isa": load_native("vmamba_cpu").function("vmamba_cpu_isa")().decode(),
            "threads": threads,
            "rounds": rounds,
            "multiply_adds_per_s": rate,
            "bar": compare(TARGET_SHAPE, threads, rounds),
            "bar_floor_ms": TARGET_SHAPE.multiply_adds / rate * 1e3,
            "tiny_s1l8": tiny_layers(rounds, rate),
            "resolutions": resolutions(rounds),
        }
