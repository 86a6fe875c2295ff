"""OpenVINO on the CPU: an ONNX or IR file with our extension, `libvmamba_openvino.so`.

The arithmetic is float32, and bfloat16 for a bfloat16 file on a CPU that has it: by itself OpenVINO
would take that for every file, and change the numbers. On a GPU or NPU it runs no op of others.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy import native
from vmamba_deploy.artifacts.manifest import OPENVINO_LIBRARY_NAME
from vmamba_deploy.errors import (
    BuildError,
    ClosedError,
    EnvironmentProblem,
    InputFileError,
    ResourceError,
    VmambaError,
    printable,
)
from vmamba_deploy.files import read_file
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.runtimes.base import (
    Ability,
    ModelFiles,
    RuntimeKind,
    RuntimeStatus,
    ServedModel,
    Service,
    Serving,
    fed,
    given,
)
from vmamba_deploy.runtimes.onnxruntime import check_onnx, served
from vmamba_deploy.runtimes.profiles import NodeTime, NodeTimes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vmamba_deploy.runtimes.base import Outputs

    Shapes = tuple[tuple[int, ...], ...]

EXTENSION = "vmamba_openvino"
PRODUCTS = {"MatMul": "FullyConnected", "Conv": "Convolution"}
"""What OpenVINO's plugin for the CPU makes of an operator of ONNX."""
_NARROW = ("i8", "u8")
INSTALL_HINT = "pip install 'vmamba-deploy[openvino]'"
_SHAPES_OF_THEIR_OWN = 2
_MAX_LIBRARY_BYTES = 64 << 20
_UNCONVERTED, _OUR_OPS = "Model wasn't fully converted", "vmamba."
_NO_MEMORY = ("bad_alloc", "bad allocation", "out of memory", "could not allocate")


@contextmanager
def explained(
    what: str, otherwise: type[VmambaError], *, hint: str | None = None
) -> Iterator[None]:
    """Turn what OpenVINO raises into an error of ours.

    Args:
        what: it cannot do then.
        otherwise: class of what is raised where memory is not the reason.
        hint: what to do then.

    Raises:
        ResourceError: the memory did not suffice.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY):
            raise ResourceError(
                f"not enough memory to {what}", hint="use smaller batches or images"
            ) from error
        raise otherwise(f"OpenVINO cannot {what}: {_said(str(error))}", hint=hint) from error


def _said(text: str) -> str:
    """The text of an exception of OpenVINO, without the places in its sources."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return printable("; ".join(telling or lines))


class OpenVinoNetwork:
    """A file that OpenVINO has read, compiled for the shapes that it is called with.

    A network that was compiled for one shape is faster than one for free sizes. So each of the
    first shapes gets one of its own, and all others share one: the same call always runs the same.

    Args:
        path: of an ONNX file, or of an IR file (.xml).
        extension: our library; None for a file of standard ops alone.
        threads: of each stream, 0 for OpenVINO's own choice.
        streams: calls that run side by side.
        profiled: let every call time its nodes.

    Raises:
        InputFileError: OpenVINO does not accept the file.
        EnvironmentProblem: it is not installed, cannot use the extension, or has no such standard
            op.
        ResourceError: there is not enough memory.
    """

    def __init__(
        self,
        path: Path,
        *,
        extension: Path | None = None,
        threads: int = 0,
        streams: int = 1,
        profiled: bool = False,
    ) -> None:
        self._core = _core(extension)
        self._model = _read(self._core, path)
        # What others' networks gain or lose by it was not tried.
        self._is_ours = _has_our_ops(self._model)
        if self._is_ours:
            # Here, for commands that open no network do without NumPy.
            from vmamba_deploy.runtimes.openvino_graph import rewrite

            rewrite(self._model)
        self._options = {"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": str(streams)}
        if profiled:
            self._options["PERF_COUNT"] = "YES"
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = str(threads * streams)
        self._compiled: dict[Shapes, Any] = {}
        self._for_others: Any = None
        self._fitting: set[Shapes] = set()
        self._lock = threading.Lock()
        self.inputs: list[str] = [each.any_name for each in self._model.inputs]
        self.outputs: list[str] = [each.any_name for each in self._model.outputs]

    def compiled_for(self, shapes: Shapes) -> Any:
        """The `openvino.CompiledModel` for inputs of these shapes.

        Raises:
            BuildError: the network takes none such, or cannot be compiled.
            ResourceError: there is not enough memory.
        """
        with self._lock:
            if shapes in self._compiled:
                return self._compiled[shapes]
            # What does not fit must be told here: OpenVINO 2026.4 with one thread loses what is
            # thrown while it infers shapes in a call, and gives what was in memory.
            fixed = None if shapes in self._fitting else self._fixed(shapes)
            self._fitting.add(shapes)
            if fixed is not None and len(self._compiled) < _SHAPES_OF_THEIR_OWN:
                self._compiled[shapes] = self._compile(fixed)
                return self._compiled[shapes]
            if self._for_others is None:
                self._for_others = self._compile(self._model.clone())
            return self._for_others

    def narrow_products(self) -> Counter[str]:
        """How many nodes of each type the network runs in 8 bits, compiled for free sizes.

        Raises:
            BuildError: the network cannot be compiled.
            ResourceError: there is not enough memory.
        """
        executed = self._compile(self._model.clone()).get_runtime_model().get_ops()
        said = [node.get_rt_info() for node in executed]
        return Counter(
            info["layerType"].astype(str)
            for info in said
            if info["runtimePrecision"].astype(str) in _NARROW
        )

    def _fixed(self, shapes: Shapes) -> Any:
        """The network for these shapes alone."""
        for taken, shape in zip(self._model.inputs, shapes, strict=True):
            # Compared as OpenVINO's own type; it would reshape an axis that is not free, too.
            if not taken.partial_shape.compatible(type(taken.partial_shape)(list(shape))):
                expected = taken.partial_shape.to_string()
                raise BuildError(f"{taken.any_name} has shape {list(shape)}, expected {expected}")
        fixed = self._model.clone()
        with explained(f"take inputs of shapes {list(map(list, shapes))}", BuildError):
            fixed.reshape(
                {each: list(shape) for each, shape in zip(fixed.inputs, shapes, strict=True)}
            )
        return fixed

    def _compile(self, model: Any) -> Any:
        if self._is_ours:
            from vmamba_deploy.runtimes.openvino_flatten import flatten_maps

            flatten_maps(model)
        with explained("compile the network", BuildError):
            return self._core.compile_model(model, "CPU", self._options)


def _core(extension: Path | None) -> Any:
    try:
        import openvino
    except ImportError as error:
        raise EnvironmentProblem(
            f"OpenVINO cannot be imported: {error}", hint=INSTALL_HINT
        ) from error
    core = openvino.Core()
    if extension is not None:
        native.check_loadable(extension)
        if (reason := misfit(extension)) is not None:
            raise EnvironmentProblem(reason, hint="export again with the installed OpenVINO")
        with explained(f"use {extension}", EnvironmentProblem):
            core.add_extension(str(extension))
    return core


def _read(core: Any, path: Path) -> Any:
    try:
        with explained(f"load {path}", InputFileError):
            return core.read_model(str(path))
    except InputFileError as error:
        if _UNCONVERTED not in error.message or _OUR_OPS in error.message:
            raise
        raise EnvironmentProblem(error.message, hint="use ONNX Runtime") from error


def _has_our_ops(model: Any) -> bool:
    """Whether a node of an `openvino.Model` is of a domain of ours."""
    domains = {op.domain for op in OPS.values()}
    return any(node.get_type_info().version_id in domains for node in model.get_ops())


def misfit(extension: Path) -> str | None:
    """Why the installed OpenVINO cannot load the extension; None where it should.

    OpenVINO's C++ interface is that of one version, which is in the name of its library; who builds
    against it needs the library of that name.
    """
    spec = find_spec("openvino")
    content = read_file(extension, what="a shared library", limit_bytes=_MAX_LIBRARY_BYTES)
    needed = re.search(rb"\0(libopenvino\.so\.[0-9]+)\0", content)
    if spec is None or spec.origin is None or needed is None:
        return None
    libraries, name = Path(spec.origin).with_name("libs"), needed[1].decode()
    if not libraries.is_dir() or (libraries / name).exists():  # the system's is elsewhere
        return None
    return f"{extension.name} needs {name}, and OpenVINO {version('openvino')} is installed"


class OpenVinoSession:
    """A network, for calls of one thread at a time."""

    def __init__(self, network: OpenVinoNetwork) -> None:
        self._network: OpenVinoNetwork | None = network
        self._requests: dict[Any, Any] = {}

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `Session`.

        Raises:
            ResourceError: there is not enough memory for such a batch.
            BuildError: the execution failed.
            UsageError: an input too few or too many.
        """
        network = self._network  # lives until this call ends, whoever closes meanwhile
        if network is None:
            raise ClosedError("this OpenVINO session is closed")
        feed = fed(network.inputs, pixel_values, others)
        compiled = network.compiled_for(tuple(array.shape for array in feed.values()))
        with explained(f"run a batch of {len(pixel_values)}", BuildError):
            if id(compiled) not in self._requests:
                self._requests[id(compiled)] = compiled.create_infer_request()
            results = self._requests[id(compiled)].infer([*feed.values()], share_inputs=True)
        return {name: given(results[index]) for index, name in enumerate(network.outputs)}

    def close(self) -> None:
        """Free what the session holds."""
        self._network = None
        self._requests = {}


class OpenVinoRuntime:
    """OpenVINO with our extension.

    Args:
        model: ONNX or IR (.xml) file.
        extension: `libvmamba_openvino.so`; None builds or finds it.
        threads: 0 for OpenVINO's own choice.
    """

    name = "openvino"

    def __init__(
        self,
        model: Path,
        *,
        extension: Path | None = None,
        threads: int = 0,
    ) -> None:
        self._model, self._extension, self._threads = model, extension, threads

    def status(self) -> RuntimeStatus:
        """Available where the package openvino and the extension are, or can be built."""
        status = package_status()
        if not status.available:
            return status
        if self._extension is not None:
            reason = misfit(self._extension)
            return status if reason is None else RuntimeStatus(False, reason)
        available, reason = native.available(EXTENSION)
        return status if available else RuntimeStatus(False, reason)

    def open(self) -> OpenVinoSession:
        """Read the file, building the extension on first use; the first call compiles it."""
        return self.open_streams(1)[0]

    def open_streams(self, count: int) -> list[OpenVinoSession]:
        """Read the file once, for as many streams of OpenVINO's."""
        network = self.load(count)
        return [OpenVinoSession(network) for _ in range(count)]

    def load(self, streams: int = 1, *, profiled: bool = False) -> OpenVinoNetwork:
        """See `OpenVinoNetwork`."""
        extension = self._extension or native.library_path(EXTENSION)
        return OpenVinoNetwork(
            self._model,
            extension=extension,
            threads=self._threads,
            streams=streams,
            profiled=profiled,
        )

    def profile(
        self, pixel_values: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]], calls: int
    ) -> list[NodeTime]:
        """See `Profiling`; the nodes are those that OpenVINO made of the file's."""
        network = self.load(profiled=True)
        feed = fed(network.inputs, pixel_values, others)
        request = network.compiled_for(
            tuple(array.shape for array in feed.values())
        ).create_infer_request()
        times = NodeTimes()
        for call in range(1 + calls):
            with explained(f"run a batch of {len(pixel_values)}", BuildError):
                request.infer([*feed.values()])
            for node in request.profiling_info if call else ():
                if node.status == node.Status.EXECUTED:
                    ms = node.real_time.total_seconds() * 1e3
                    times.add(node.node_name, node.node_type, ms)
        return times.per_call(calls)


def package_status() -> RuntimeStatus:
    """Whether OpenVINO is installed."""
    try:
        return RuntimeStatus(True, f"OpenVINO {version('openvino')}, CPU")
    except PackageNotFoundError:
        return RuntimeStatus(False, f"the package openvino is not installed ({INSTALL_HINT})")


def _on_files(files: ModelFiles) -> OpenVinoRuntime | None:
    # Loops of standard ops, as an inlined file has, come out wrong where sizes are fixed
    # (OpenVINO 2026.4).
    if not files.onnx.our_nodes:
        return None
    return OpenVinoRuntime(
        files.onnx.path,
        extension=files.code_beside(OPENVINO_LIBRARY_NAME),
        threads=files.threads,
    )


def _of_folder(serving: Serving, path: Path) -> OpenVinoRuntime:
    listed = OPENVINO_LIBRARY_NAME in serving.manifest.files
    return OpenVinoRuntime(
        path,
        extension=serving.folder / OPENVINO_LIBRARY_NAME if listed else None,
        threads=serving.threads,
    )


def _folder_status(serving: Serving) -> RuntimeStatus:
    if not any(op.domain in serving.manifest.onnx.op_sets for op in OPS.values()):
        return RuntimeStatus(
            False, f"{serving.folder} has no op of ours in its ONNX file: it was inlined"
        )
    return _of_folder(serving, serving.folder).status()


def _open_folder(serving: Serving) -> ServedModel:
    runtime = _of_folder(serving, check_onnx(serving))
    if not (status := _folder_status(serving)).available:
        raise EnvironmentProblem(status.reason)
    return served(runtime.name, serving, runtime.open_streams(serving.streams))


def _abilities() -> list[Ability]:
    status = package_status()
    return [Ability("OpenVINO", status, "" if status.available else INSTALL_HINT)]


OPENVINO = RuntimeKind(
    OpenVinoRuntime.name,
    _on_files,
    Service(OpenVinoRuntime.name, _folder_status, _open_folder),
    abilities=_abilities,
    title="OpenVINO",
)
