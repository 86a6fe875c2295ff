"""Whole-network latency: every runtime that this machine has, interleaved in one run.

Each competitor is a function that returns one callable forward pass, or raises `Absent` with the
reason why it cannot run here. Only ratios within one run mean anything on a shared machine; they
are taken within each round, and their spread is the interquartile range.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.interleaving import Call, interleave, machine_text, quartiles
from vmamba_deploy.errors import UsageError, VmambaError

if TYPE_CHECKING:
    import torch

    from vmamba_deploy.models import LoadedModel, VMamba
    from vmamba_deploy.runtimes.base import Runtime

IDENTITY = "onnxruntime-identity"
YARDSTICK = "pytorch-eager"


class Absent(Exception):  # noqa: N818 - nothing is wrong: the machine lacks it
    """The competitor cannot run here; the text says why."""


@dataclass
class Entrants:
    """What the competitors share: the network, its file and the images.

    Attributes:
        device: `cpu`, in float32, or `cuda`, in fp16.
    """

    preset: str
    batch: int
    threads: int
    device: str
    folder: Path
    image_side: int = 224
    open_sessions: list[Any] = field(default_factory=list)

    @property
    def precision(self) -> str:
        """fp16 on a GPU, where it is what is deployed; fp32 on a CPU."""
        return "fp16" if self.device == "cuda" else "fp32"

    @cached_property
    def loaded(self) -> LoadedModel:
        """The preset with random weights."""
        from vmamba_deploy.models import load_weights, resolve_preset

        return load_weights("random", preset=resolve_preset(self.preset).name)

    @cached_property
    def model(self) -> VMamba:
        """The network in the precision and on the device of the run."""
        from vmamba_deploy.models import convert_precision, freeze_scan_parameters

        network = convert_precision(copy.deepcopy(self.loaded.model), self.precision)
        freeze_scan_parameters(network)
        return network.to(self.device)

    @cached_property
    def onnx_file(self) -> Path:
        """The exported file."""
        from vmamba_deploy.export import ExportOptions, export_onnx

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
        import torch

        return torch.from_numpy(self.images).to(self.device)

    def torch_call(self, module: Callable[[torch.Tensor], object]) -> Call:
        """A forward pass of a module, ended before it returns."""
        import torch

        def call() -> None:
            with torch.inference_mode():
                module(self.tensor)
            if self.device == "cuda":
                torch.cuda.synchronize()

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
        return lambda: session(self.images)

    def close(self) -> None:
        """End the sessions."""
        for session in self.open_sessions:
            session.close()


def pytorch_eager(entrants: Entrants) -> Call:
    """PyTorch with our op."""
    return entrants.torch_call(entrants.model)


def pytorch_plain_chain(entrants: Entrants) -> Call:
    """PyTorch with tensor operations in the place of the op."""
    from benchmarks.plain_model import PlainScan

    return entrants.torch_call(PlainScan(entrants.model))


def pytorch_compiled(entrants: Entrants) -> Call:
    """torch.compile of the network with our op, one graph."""
    import torch

    return entrants.torch_call(torch.compile(entrants.model, fullgraph=True, dynamic=False))


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
        choose_flavour,
        find_gpus,
    )

    search = find_gpus()
    if search.first is None:
        raise Absent(search.reason)
    flavour = choose_flavour("auto")
    plan = EnginePlan(onnx_path=entrants.onnx_file, flavour=flavour, batch=(entrants.batch,))
    engine = entrants.folder / "model.engine"
    build_engine(plan, engine)
    return entrants.runtime_call(TensorRTRuntime(engine, flavour))


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


@dataclass(frozen=True)
class Competitor:
    """One way to run the network.

    Attributes:
        enter: makes a forward pass ready, or raises `Absent`.
        devices: where it runs.
        on_request: too slow to prepare unless asked for by name.
    """

    enter: Callable[[Entrants], Call]
    devices: tuple[str, ...]
    on_request: bool = False


_BOTH = ("cpu", "cuda")
COMPETITORS = {
    YARDSTICK: Competitor(pytorch_eager, _BOTH),
    "pytorch-plain-chain": Competitor(pytorch_plain_chain, _BOTH),
    "pytorch-compiled": Competitor(pytorch_compiled, _BOTH, on_request=True),
    "onnxruntime-library": Competitor(onnxruntime_library, ("cpu",)),
    IDENTITY: Competitor(onnxruntime_identity, ("cpu",)),
    "onnxruntime-body": Competitor(onnxruntime_body, ("cpu",)),
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


def compare_model(entrants: Entrants, rounds: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Median and quartiles of each competitor, and of its ratio to eager PyTorch in each round."""
    import torch

    torch.set_num_threads(entrants.threads)
    calls: dict[str, Call] = {}
    absent: dict[str, str] = {}
    for name in chosen_competitors(entrants.device, names):
        try:
            calls[name] = COMPETITORS[name].enter(entrants)
        except Absent as reason:
            absent[name] = str(reason)
        except VmambaError as error:
            absent[name] = error.message
    times = interleave(calls, rounds)
    entrants.close()
    return {
        "schema_version": 1,
        "machine": machine_text(),
        "preset": entrants.preset,
        "batch": entrants.batch,
        "image_side": entrants.image_side,
        "threads": entrants.threads,
        "device": entrants.device,
        "precision": entrants.precision,
        "rounds": rounds,
        "rows": [
            {
                "competitor": name,
                "ms": quartiles(values),
                "over_yardstick": quartiles(values / times[YARDSTICK]),
            }
            for name, values in times.items()
        ],
        "absent": absent,
    }
