"""Whole-network latency: every runtime that this machine has, interleaved in one run.

Only ratios within one run mean anything on a shared machine; they are taken within each round, and
their spread is the interquartile range. Each competitor is a function that returns one callable
forward pass, or raises `Absent` with the reason why it cannot run here.
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.networks import (
    REHEARSED,
    PlainScan,
    PublicForm,
    expected_logits,
    full_float32,
    network,
    parity,
    prepared,
    recorded_scans,
)
from benchmarks.timing import (
    Call,
    captured,
    gpu_name,
    interleave,
    machine_text,
    ratio_spread,
    spread,
)
from vmamba_deploy import native
from vmamba_deploy.errors import UsageError, VmambaError
from vmamba_deploy.models import FAMILIES, LoadedModel, load_weights, resolve_preset
from vmamba_deploy.models.vmamba.network import convert_precision

if TYPE_CHECKING:
    from vmamba_deploy.models.vmamba.network import VMamba
    from vmamba_deploy.runtimes.base import Runtime

IDENTITY = "onnxruntime-identity"
YARDSTICK = "pytorch-eager"
PUBLIC = "public-form"
_PROVIDER = "CUDAExecutionProvider"


class Absent(Exception):  # noqa: N818 - nothing is wrong: the machine lacks it
    """The competitor cannot run here; the text says why."""


@dataclass
class Entrants:
    """What the competitors share: the network, its file and the images.

    Attributes:
        device: `cpu`, in float32, or `cuda`, in fp16, which is what is deployed there.
    """

    preset: str
    batch: int
    threads: int
    device: str
    folder: Path
    image_side: int = 224
    open_sessions: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.precision = "fp16" if self.device == "cuda" else "fp32"
        rehearsed = self.preset == REHEARSED
        self.preset_name = REHEARSED if rehearsed else resolve_preset(self.preset).name

    @cached_property
    def loaded(self) -> LoadedModel:
        """The preset with random weights."""
        if self.preset_name == REHEARSED:
            return LoadedModel(
                network(REHEARSED, "cpu"), FAMILIES["VMamba"], source="random", sha256=""
            )
        return load_weights("random", preset=self.preset_name)

    @cached_property
    def full(self) -> VMamba:
        """The network in float32 on the device of the run."""
        return prepared(copy.deepcopy(self.loaded.model), self.device)

    @cached_property
    def model(self) -> VMamba:
        """The network in the precision and on the device of the run."""
        return convert_precision(self.full, self.precision)

    @cached_property
    def onnx_file(self) -> Path:
        """The exported file."""
        from vmamba_deploy.exporting.onnx_file import export_onnx
        from vmamba_deploy.exporting.options import ExportOptions

        path = self.folder / "model.onnx"
        options = ExportOptions(precision=self.precision, image_size=self.image_side)
        export_onnx(self.loaded, path, options)
        return path

    @cached_property
    def images(self) -> npt.NDArray[np.float32]:
        """Noise [batch, 3, side, side]."""
        shape = (self.batch, 3, self.image_side, self.image_side)
        return np.random.default_rng(0).normal(size=shape).astype(np.float32)

    @cached_property
    def tensor(self) -> torch.Tensor:
        """The images on the device."""
        return torch.from_numpy(self.images).to(self.device)

    @cached_property
    def expected(self) -> torch.Tensor:
        """Logits of the first images in float32 by plain tensor operations."""
        with torch.inference_mode():
            return expected_logits(self.full, self.tensor)

    def torch_call(self, module: Callable[[torch.Tensor], object]) -> Call:
        """A forward pass of a module, ended before it returns."""

        def call() -> object:
            with torch.inference_mode():
                result = module(self.tensor)
            if self.device == "cuda":
                torch.cuda.synchronize()
            return result

        return call

    def autocast_call(self, module: Callable[[torch.Tensor], object]) -> Call:
        """The same under PyTorch's automatic mixed precision, as the public code evaluates."""

        def with_amp(pixel_values: torch.Tensor) -> object:
            with torch.autocast(self.device, dtype=torch.float16):
                return module(pixel_values)

        return self.torch_call(with_amp)

    def graph_call(self, module: Callable[[torch.Tensor], object]) -> Call:
        """The same as the replay of a CUDA graph."""
        kept: list[object] = []

        def forward() -> None:
            kept[:] = [module(self.tensor)]

        with torch.inference_mode():
            replay = captured(forward, times=1)

        def call() -> object:
            replay()
            torch.cuda.synchronize()
            return kept[0]

        return call

    def runtime_call(self, runtime: Runtime) -> Call:
        """A forward pass of one of the project's runtimes.

        Raises:
            Absent: it cannot run here.
        """
        status = runtime.status()
        if not status.available:
            raise Absent(status.reason)
        session = runtime.open()
        self.open_sessions.append(session)
        return lambda: session(self.images)["logits"]


def aotinductor(entrants: Entrants) -> Call:
    """The network with our op as an AOTInductor package, for any batch up to that of the images."""
    import vmamba_deploy.ops.selective_scan_2d.torch_op  # noqa: F401 - registers the op

    with torch.inference_mode():
        # A traced batch of one would become a constant.
        example = entrants.tensor if entrants.batch > 1 else entrants.tensor.repeat(2, 1, 1, 1)
        batch = torch.export.Dim("batch", min=1, max=len(example))
        program = torch.export.export(entrants.model, (example,), dynamic_shapes=({0: batch},))
        path = str(entrants.folder / "model.pt2")
        package = torch._inductor.aoti_compile_and_package(program, package_path=path)
    return entrants.torch_call(torch._inductor.aoti_load_package(package))


def scans_alone(entrants: Entrants) -> Call:
    """Our op alone: the network's scans on the maps and projections of these images."""
    scans = recorded_scans(entrants.model, entrants.tensor)
    return entrants.torch_call(lambda _: [scan() for scan in scans])


def onnxruntime_cuda(entrants: Entrants) -> Call:
    """ONNX Runtime CUDA with our library: its input and output stay on the device, which is what a
    CUDA graph can replay."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise Absent("Python has no onnxruntime")
    import onnxruntime as ort

    if _PROVIDER not in ort.get_available_providers():
        version = ort.__version__
        raise Absent(f"onnxruntime {version} has no {_PROVIDER}: install onnxruntime-gpu instead")
    available, reason = native.available("vmamba_ort")
    if not available:
        raise Absent(reason)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.register_custom_ops_library(str(native.library_path("vmamba_ort")))
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    providers = [(_PROVIDER, {"enable_cuda_graph": "1"})]
    session = ort.InferenceSession(str(entrants.onnx_file), options, providers=providers)
    binding = session.io_binding()
    taken, given = session.get_inputs()[0], session.get_outputs()[0]
    values = ort.OrtValue.ortvalue_from_numpy(entrants.images, "cuda", 0)
    shape = [entrants.batch, *given.shape[1:]]
    logits = ort.OrtValue.ortvalue_from_shape_and_type(shape, np.float32, "cuda", 0)
    binding.bind_ortvalue_input(taken.name, values)
    binding.bind_ortvalue_output(given.name, logits)

    def replay() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    for _ in range(2):  # a graph is captured, then replayed
        replay()
    return replay


def onnxruntime_body(entrants: Entrants) -> Call:
    """Stock ONNX Runtime: the scan runs through the file's function body."""
    from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeBody

    return entrants.runtime_call(OnnxRuntimeBody(entrants.onnx_file, threads=entrants.threads))


def onnxruntime_library(entrants: Entrants) -> Call:
    """ONNX Runtime with our library."""
    from vmamba_deploy.runtimes.onnxruntime import OnnxRuntimeLibrary

    return entrants.runtime_call(OnnxRuntimeLibrary(entrants.onnx_file, threads=entrants.threads))


def onnxruntime_identity(entrants: Entrants) -> Call:
    """The same graph with each scan replaced by a cast of its map: no scan, all the rest."""
    import onnx_ir as ir

    from vmamba_deploy.exporting.onnx_model import OnnxModel
    from vmamba_deploy.runtimes.onnxruntime import create_session

    model = OnnxModel.read(entrants.onnx_file)
    for node in model.our_nodes:
        node.op_type, node.domain = "Cast", ""
        node.resize_inputs(1)
        to = ir.AttrInt64("to", node.attributes["out_dtype"].as_int())
        node.attributes.clear()
        node.attributes.add(to)
    model.ir.functions.clear()
    session = create_session(model.ir, threads=entrants.threads)
    return lambda: session.run(None, {session.get_inputs()[0].name: entrants.images})


def tensorrt(entrants: Entrants) -> Call:
    """A TensorRT engine with our plugin, where a flavour of TensorRT runs on this GPU."""
    from vmamba_deploy.exporting.onnx_model import OnnxModel
    from vmamba_deploy.runtimes.cuda_driver import find_gpus
    from vmamba_deploy.runtimes.tensorrt.build import build_engine
    from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
    from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

    search = find_gpus()
    if search.first is None:
        raise Absent(search.reason)
    shape = tuple(entrants.images.shape)
    engine = entrants.folder / "model.engine"
    model = OnnxModel.read(entrants.onnx_file)
    facts = build_engine(EnginePlan(), model, engine, profile=(shape, shape, shape))
    return entrants.runtime_call(TensorRTRuntime(engine, facts))


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


_BOTH, _CPU, _CUDA = ("cpu", "cuda"), ("cpu",), ("cuda",)
_AMP = "AMP fp16"
# PyTorch's run our op, but for the plain chain and the public form.
COMPETITORS = {
    YARDSTICK: Competitor(lambda each: each.torch_call(each.model), _BOTH),
    "pytorch-plain-chain": Competitor(lambda each: each.torch_call(PlainScan(each.model)), _CPU),
    "pytorch-fp32": Competitor(lambda each: each.torch_call(each.full), _CUDA, precision="fp32"),
    "pytorch-amp": Competitor(lambda each: each.autocast_call(each.full), _CUDA, precision=_AMP),
    "pytorch-cuda-graph": Competitor(lambda each: each.graph_call(each.model), _CUDA),
    PUBLIC: Competitor(
        lambda each: each.autocast_call(PublicForm(each.full)), _CUDA, precision=_AMP
    ),
    "public-form-cuda-graph": Competitor(
        lambda each: each.graph_call(PublicForm(each.model)), _CUDA
    ),
    "pytorch-compiled": Competitor(
        lambda each: each.torch_call(torch.compile(each.model, fullgraph=True, dynamic=False)),
        _BOTH,
        on_request=True,
    ),
    "aotinductor": Competitor(aotinductor, _BOTH, on_request=True),
    "scans-alone": Competitor(scans_alone, _BOTH),
    "onnxruntime-library": Competitor(onnxruntime_library, _CPU),
    IDENTITY: Competitor(onnxruntime_identity, _CPU),
    "onnxruntime-body": Competitor(onnxruntime_body, _CPU),
    "onnxruntime-cuda": Competitor(onnxruntime_cuda, _CUDA),
    "tensorrt": Competitor(tensorrt, _CUDA),
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


def compare_model(entrants: Entrants, rounds: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Median and quartiles of each competitor, and of its ratio to eager PyTorch in each round."""
    torch.set_num_threads(entrants.threads)
    torch.backends.cudnn.benchmark = True  # for all alike, as the public scripts have it
    calls: dict[str, Call] = {}
    absent: dict[str, str] = {}
    failed: dict[str, str] = {}
    agreement: dict[str, dict[str, Any]] = {}
    for name in chosen_competitors(entrants.device, names):
        try:
            call = COMPETITORS[name].enter(entrants)
            agreement[name] = _agreement(entrants, name, call)  # what compiles does so here
            calls[name] = call
        except Absent as reason:
            absent[name] = str(reason)
        except VmambaError as error:
            absent[name] = error.message
        except Exception as error:  # noqa: BLE001 - a bug of one way: the others have their turn
            failed[name] = f"{type(error).__name__}: {error}"[:2000]
    times = interleave(calls, rounds)
    for session in entrants.open_sessions:
        session.close()
    return {
        "schema_version": 1,
        "machine": machine_text(),
        "preset": entrants.preset_name,
        "batch": entrants.batch,
        "image_side": entrants.image_side,
        "threads": entrants.threads,
        "device": entrants.device,
        "gpu": gpu_name(entrants.device),
        "precision": entrants.precision,
        "rounds": rounds,
        "rows": [
            {
                "competitor": name,
                "precision": COMPETITORS[name].precision or entrants.precision,
                "ms": spread(values),
                "over_yardstick": ratio_spread(values, times.get(YARDSTICK, values)),
                **agreement[name],
            }
            for name, values in times.items()
        ],
        "absent": absent,
        "failed": failed,
    }


def _agreement(entrants: Entrants, name: str, call: Call) -> dict[str, Any]:
    """NMSE of the logits against float32 and its limit; nothing of what gives no logits."""
    with full_float32():
        logits = call()
    if entrants.device != "cuda" or not isinstance(logits, torch.Tensor):
        return {}
    return parity(logits, entrants.expected, COMPETITORS[name].precision or entrants.precision)
