"""Small real ONNX graphs with selective scans, the real plugin, and TensorRT-RTX."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.processes import HANG_S
from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.passes import CarryFunctionBodies
from vmamba_deploy.native import library_path
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.runtimes.tensorrt.build import build_engine
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT_RTX, Flavour
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan, Progress

CODES = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}

CANARY = """
import sys
from pathlib import Path
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.tensorrt.build import build_engine
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
model, plugin, engine = map(Path, sys.argv[1:])
shape = (1, 3, 6, 5)
built = build_engine(
    EnginePlan("rtx"),
    OnnxModel.read(model),
    engine,
    profile=(shape, shape, shape),
    plugin_library=plugin,
)
assert built.plugin_layers == 1
"""


def make_scan_model(
    path: Path,
    *,
    scans: int = 1,
    precision: str = "fp32",
    namespace: bool = True,
    size: tuple[int | str, int | str] = (6, 5),
    batch: int | str = "batch",
) -> Path:
    """pixel_values [B,3,H,W] -> NHWC -> selective scans (N=1, R=1) -> mean -> logits [B,3]."""
    generator = np.random.default_rng()
    code = CODES[precision]
    shapes = {"dt_weight": (4, 1, 3), "dt_bias": (4, 3), "a": (4, 1, 3), "d": (4, 3)}
    weights = {name: generator.uniform(-1, 1, shape) for name, shape in shapes.items()}
    weights["a"] = -np.abs(weights["a"])
    tensors = [numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    to_proj = generator.uniform(-1, 1, (3, 12)).ravel().tolist()
    tensors.append(helper.make_tensor("w", code, (3, 12), to_proj))
    nodes = [
        helper.make_node("Transpose", ["pixel_values"], ["nhwc"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["nhwc"], ["x0"], to=code),
    ]
    extra = {"plugin_namespace": "vmamba"} if namespace else {}
    for i in range(scans):
        nodes += [
            helper.make_node("MatMul", [f"x{i}", "w"], [f"proj{i}"]),
            helper.make_node(
                "SelectiveScan2D",
                [f"x{i}", f"proj{i}", *shapes],
                [f"y{i}"],
                name=f"scan{i}",
                domain="vmamba",
                out_dtype=int(TensorProto.FLOAT),
                plugin_version="1",
                **extra,
            ),
            helper.make_node("Tanh", [f"y{i}"], [f"t{i}"]),
            helper.make_node("Cast", [f"t{i}"], [f"x{i + 1}"], to=code),
        ]
    tensors.append(numpy_helper.from_array(np.array([1, 2]), "axes"))
    nodes.append(helper.make_node("ReduceMean", [f"t{scans - 1}", "axes"], ["logits"], keepdims=0))
    graph = helper.make_graph(
        nodes,
        "scans",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [batch, 3, *size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])],
        tensors,
    )
    opsets = [helper.make_opsetid("", 22), helper.make_opsetid("vmamba", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    whole = CarryFunctionBodies({SELECTIVE_SCAN_2D.key: {"N": 1}})(ir.from_proto(model)).model
    onnx.save(ir.to_proto(whole), str(path))
    return path


@pytest.fixture
def scan_model(tmp_path) -> Callable[..., Path]:
    return lambda **options: make_scan_model(tmp_path / "scans.onnx", **options)


@pytest.fixture(scope="session")
def plugin() -> Path:
    return library_path("vmamba_trt")


@pytest.fixture(scope="session")
def rtx(plugin, tmp_path_factory) -> Flavour:
    """TensorRT-RTX, after a build in another process has shown that it does not abort."""
    if not TENSORRT_RTX.installed:
        pytest.skip(TENSORRT_RTX.can_build_here().reason)
    folder = tmp_path_factory.mktemp("canary")
    model = make_scan_model(folder / "canary.onnx")
    command = [sys.executable, "-c", CANARY, str(model), str(plugin), str(folder / "engine")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert result.returncode == 0, result.stderr
    return TENSORRT_RTX


@pytest.fixture
def build(rtx, plugin) -> Callable[..., EngineFacts]:
    """Build the engine of a scan model with TensorRT-RTX; options are those of the plan."""

    def build(
        model: Path,
        output: Path,
        *,
        sizes: Sequence[tuple[int, int]] = ((6, 5), (6, 5), (6, 5)),
        library: Path = plugin,
        progress: Progress | None = None,
        **options: object,
    ) -> EngineFacts:
        plan = EnginePlan("rtx", **options)
        smallest, usual, largest = (
            (batch, 3, *size) for batch, size in zip(plan.profile_batches, sizes, strict=True)
        )
        return build_engine(
            plan,
            OnnxModel.read(model),
            output,
            profile=(smallest, usual, largest),
            plugin_library=library,
            progress=progress,
        )

    return build
