"""An ONNX or IR file in OpenVINO on the CPU, with our extension, `libvmamba_openvino.so`.

The arithmetic is float32, and bfloat16 for a bfloat16 file on a CPU that has it: by itself OpenVINO
would take that for every file, and change the numbers.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vmamba_deploy import native
from vmamba_deploy.errors import (
    BuildError,
    EnvironmentProblem,
    InputFileError,
    ResourceError,
    VmambaError,
    printable,
)
from vmamba_deploy.files import read_file
from vmamba_deploy.ops.registry import OPS

Shapes = tuple[tuple[int, ...], ...]

INSTALL_HINT = "pip install 'vmamba-deploy[openvino]'"
_NARROW = ("i8", "u8")
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
