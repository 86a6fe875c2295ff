"""The ways to run a network that are compared.

Each is a function that returns one callable forward pass, or raises `Absent` with the reason why it
cannot run here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.entrants import Absent, Entrants
from benchmarks.interleaving import Call
from vmamba_deploy.errors import UsageError
from vmamba_deploy.export.onnx_model import OnnxModel

if TYPE_CHECKING:
    import onnx_ir as ir

IDENTITY = "onnxruntime-identity"
YARDSTICK = "pytorch-eager"
PUBLIC = "public-form"


def pytorch_eager(entrants: Entrants) -> Call:
    """PyTorch with our op."""
    return entrants.torch_call(entrants.model)


def pytorch_plain_chain(entrants: Entrants) -> Call:
    """PyTorch with tensor operations in the place of the op."""
    from benchmarks.plain_model import PlainScan

    return entrants.torch_call(PlainScan(entrants.model))


def pytorch_graph(entrants: Entrants) -> Call:
    """PyTorch with our op, replayed as a CUDA graph."""
    return entrants.graph_call(entrants.model)


def pytorch_compiled(entrants: Entrants) -> Call:
    """torch.compile of the network with our op, one graph."""
    import torch

    return entrants.torch_call(torch.compile(entrants.model, fullgraph=True, dynamic=False))


def pytorch_fp32(entrants: Entrants) -> Call:
    """PyTorch with our op, in float32."""
    return entrants.torch_call(entrants.full)


def pytorch_amp(entrants: Entrants) -> Call:
    """PyTorch with our op, the float32 network under automatic mixed precision."""
    return entrants.autocast_call(entrants.full)


def public_amp(entrants: Entrants) -> Call:
    """The network as the public code runs it, with the reference chain, mixed precision."""
    from benchmarks.public_model import PublicForm

    return entrants.autocast_call(PublicForm(entrants.full))


def public_graph(entrants: Entrants) -> Call:
    """The same in fp16, replayed as a CUDA graph."""
    from benchmarks.public_model import PublicForm

    return entrants.graph_call(PublicForm(entrants.model))


def scans_alone(entrants: Entrants) -> Call:
    """Our op alone: the network's scans on the maps and projections of these images."""
    from benchmarks.plain_model import recorded_scans

    scans = recorded_scans(entrants.model, entrants.tensor)
    return entrants.torch_call(lambda _: [scan() for scan in scans])


def aotinductor(entrants: Entrants) -> Call:
    """The network with our op as an AOTInductor package, loaded again."""
    import torch

    with torch.inference_mode():
        package = _packaged(entrants)
    return entrants.torch_call(torch._inductor.aoti_load_package(package))


def _packaged(entrants: Entrants) -> str:
    """The network as a .pt2 file that takes any batch size up to that of the images."""
    import torch

    import vmamba_deploy.ops.selective_scan_2d.torch_op  # noqa: F401 - registers the op

    # A traced batch of one would become a constant.
    example = entrants.tensor if entrants.batch > 1 else entrants.tensor.repeat(2, 1, 1, 1)
    batch = torch.export.Dim("batch", min=1, max=len(example))
    program = torch.export.export(entrants.model, (example,), dynamic_shapes=({0: batch},))
    path = str(entrants.folder / "model.pt2")
    return str(torch._inductor.aoti_compile_and_package(program, package_path=path))


def onnxruntime_cuda(entrants: Entrants) -> Call:
    """ONNX Runtime CUDA with our library, tensors bound on the GPU, as a CUDA graph."""
    from benchmarks.onnxruntime_cuda import BoundSession, library_or_reason

    library, reason = library_or_reason()
    if library is None:
        raise Absent(reason)
    session = BoundSession(entrants.onnx_file, library, graph=True)
    session.prepare(entrants.images)
    return session.replay


def onnxruntime_body(entrants: Entrants) -> Call:
    """Stock ONNX Runtime: the scan runs through the file's function body."""
    from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody

    return entrants.runtime_call(OnnxRuntimeBody(entrants.onnx_file, threads=entrants.threads))


def onnxruntime_library(entrants: Entrants) -> Call:
    """ONNX Runtime with our library."""
    from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeLibrary

    return entrants.runtime_call(OnnxRuntimeLibrary(entrants.onnx_file, threads=entrants.threads))


def onnxruntime_identity(entrants: Entrants) -> Call:
    """The same graph without its scans: what the rest of the network costs."""
    from vmamba_deploy.runtimes.onnxruntime import create_session

    session = create_session(identity_graph(entrants.onnx_file), threads=entrants.threads)
    return lambda: session.run(None, {session.get_inputs()[0].name: entrants.images})


def tensorrt(entrants: Entrants) -> Call:
    """A TensorRT engine with our plugin, where a flavour of TensorRT runs on this GPU."""
    from vmamba_deploy.runtimes.tensorrt import (
        EnginePlan,
        TensorRTRuntime,
        build_engine,
        find_gpus,
    )

    search = find_gpus()
    if search.first is None:
        raise Absent(search.reason)
    shape = tuple(entrants.images.shape)
    engine = entrants.folder / "model.engine"
    model = OnnxModel.read(entrants.onnx_file)
    facts = build_engine(EnginePlan(), model, engine, profile=(shape, shape, shape))
    return entrants.runtime_call(TensorRTRuntime(engine, facts))


def identity_graph(path: Path) -> ir.Model:
    """The exported graph with each scan replaced by a cast of its map: no scan, all the rest."""
    import onnx_ir as ir

    model = OnnxModel.read(path)
    for node in model.our_nodes:
        node.op_type, node.domain = "Cast", ""
        node.resize_inputs(1)
        to = ir.AttrInt64("to", node.attributes["out_dtype"].as_int())
        node.attributes.clear()
        node.attributes.add(to)
    model.ir.functions.clear()
    return model.ir


@dataclass(frozen=True)
class Competitor:
    """One way to run the network.

    Attributes:
        enter: makes a forward pass ready, or raises `Absent`.
        devices: where it runs.
        on_request: too slow to prepare unless asked for by name.
        precision: where it is not that of the run.
    """

    enter: Callable[[Entrants], Call]
    devices: tuple[str, ...]
    on_request: bool = False
    precision: str | None = None


_BOTH = ("cpu", "cuda")
COMPETITORS = {
    YARDSTICK: Competitor(pytorch_eager, _BOTH),
    "pytorch-plain-chain": Competitor(pytorch_plain_chain, ("cpu",)),
    "pytorch-fp32": Competitor(pytorch_fp32, ("cuda",), precision="fp32"),
    "pytorch-amp": Competitor(pytorch_amp, ("cuda",), precision="AMP fp16"),
    "pytorch-cuda-graph": Competitor(pytorch_graph, ("cuda",)),
    PUBLIC: Competitor(public_amp, ("cuda",), precision="AMP fp16"),
    "public-form-cuda-graph": Competitor(public_graph, ("cuda",)),
    "pytorch-compiled": Competitor(pytorch_compiled, _BOTH, on_request=True),
    "aotinductor": Competitor(aotinductor, _BOTH, on_request=True),
    "scans-alone": Competitor(scans_alone, _BOTH),
    "onnxruntime-library": Competitor(onnxruntime_library, ("cpu",)),
    IDENTITY: Competitor(onnxruntime_identity, ("cpu",)),
    "onnxruntime-body": Competitor(onnxruntime_body, ("cpu",)),
    "onnxruntime-cuda": Competitor(onnxruntime_cuda, ("cuda",)),
    "tensorrt": Competitor(tensorrt, ("cuda",)),
}


def chosen_competitors(device: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The named ones, or all that run on the device; the yardstick always, and first.

    Raises:
        UsageError: there is none of that name, or it does not run on the device.
    """
    possible = [name for name, each in COMPETITORS.items() if device in each.devices]
    unknown = [name for name in names if name not in possible]
    if unknown:
        raise UsageError(
            f"there is no competitor {unknown[0]!r} on {device}",
            hint=f"one of {', '.join(possible)}",
        )
    wanted = names or tuple(name for name in possible if not COMPETITORS[name].on_request)
    return tuple(dict.fromkeys((YARDSTICK, *wanted)))
