"""ONNX Runtime on the CPU: stock, through the function body, and with our custom-op library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, ONNX_NAME, ORT_LIBRARY_NAME
from vmamba_deploy.artifacts.verification import require_files, verify
from vmamba_deploy.errors import (
    BuildError,
    ClosedError,
    EnvironmentProblem,
    InputFileError,
    IntegrityError,
    ResourceError,
    UsageError,
    VmambaError,
    printable,
)
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.extras import install_command
from vmamba_deploy.files import shown
from vmamba_deploy.native import check_loadable
from vmamba_deploy.precisions import PrecisionName, precision_named
from vmamba_deploy.runtimes.base import (
    RuntimeKind,
    RuntimeStatus,
    ServedModel,
    Service,
    Serving,
    fed,
    given,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import onnx_ir as ir

    from vmamba_deploy.runtimes.base import Outputs
    from vmamba_deploy.runtimes.profiles import NodeTime

CUSTOM_OP_LIBRARY = "vmamba_ort"
_USUAL_LARGEST_BATCH = 32
_NO_MEMORY = ("Failed to allocate memory", "bad allocation", "bad_alloc", "out of memory")
_LIBRARY_HINT = (
    "docs/onnxruntime.md names the oldest ONNX Runtime; a library is for the kind of machine that "
    "it was built on"
)


def create_session(
    model: Path | OnnxModel | ir.Model,
    *,
    library: Path | None = None,
    threads: int = 0,
    device: Literal["cpu", "cuda"] = "cpu",
    cuda_graph: bool = False,
    precision: PrecisionName | None = None,
    optimized_file: Path | None = None,
    profile_prefix: Path | None = None,
) -> Any:
    """An `onnxruntime.InferenceSession`.

    Args:
        model: path of the file, or the file that was read; a model of onnx_ir alone is serialised.
        library: our custom-op library; without it the file's function body runs.
        threads: intra-op threads, 0 for ONNX Runtime's own choice.
        device: on `cuda`, no node may run on the CPU.
        cuda_graph: let the CUDA provider capture and replay the network.
        precision: of the model where it is known, so that the package onnx_ir is not needed; None
            looks into the model.
        optimized_file: where ONNX Runtime writes the graph that it runs.
        profile_prefix: where it writes a profile: begin of the file's name.

    Raises:
        InputFileError: ONNX Runtime does not accept the model.
        EnvironmentProblem: ONNX Runtime cannot use the library; on `cuda`, nodes would run on the
            CPU.
        ResourceError: there is not enough memory for it.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise EnvironmentProblem(
            f"ONNX Runtime cannot be imported: {error}", hint=install_command("onnxruntime")
        ) from error

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if optimized_file is not None:
        options.optimized_model_filepath = str(optimized_file)
    if profile_prefix is not None:
        options.enable_profiling, options.profile_file_prefix = True, str(profile_prefix)
    if library is not None:
        _require_text(library)
        check_loadable(library)
        with explained(f"use {library}", EnvironmentProblem, hint=_LIBRARY_HINT):
            options.register_custom_ops_library(str(library))
    if precision is None and device == "cpu":
        model = _read(model)
    if _is_quantized(model, precision):
        # It would make a float product of a MatMul and an Add between two axes, before the
        # products of 8-bit integers are looked for.
        options.add_session_config_entry(
            "optimization.disable_specified_optimizers", "MatMulAddFusion"
        )
    providers: list[Any] = ["CPUExecutionProvider"]
    name = model if isinstance(model, Path) else getattr(model, "path", "the model")
    if device == "cuda":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        providers = [("CUDAExecutionProvider", {"enable_cuda_graph": str(int(cuda_graph))})]
    may_hold_bfloat16 = precision is None or not precision_named(precision).onnxruntime_cpu
    source = _source(model, widen=device == "cpu" and may_hold_bfloat16)
    try:
        with explained(f"load {name}", InputFileError):
            return ort.InferenceSession(source, options, providers=providers)
    except InputFileError as error:
        if "fallback to CPU EP" not in error.message:
            raise
        raise EnvironmentProblem(
            f"{name} would run on the CPU: ONNX Runtime's CUDA provider did not start, or "
            "libvmamba_ort.so was built without CUDA",
            hint="ONNX Runtime's own messages, above, say which libraries it lacks",
        ) from error


@contextmanager
def explained(
    what: str, otherwise: type[VmambaError], *, hint: str | None = None
) -> Iterator[None]:
    """Turn what ONNX Runtime raises into an error of ours.

    Args:
        what: it cannot do then.
        otherwise: class of what is raised where memory is not the reason.
        hint: what to do then.

    Raises:
        ResourceError: the memory did not suffice.
    """
    try:
        yield
    except Exception as error:
        # onnxruntime raises a class per status code, all directly below Exception.
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        if any(sign in str(error) for sign in _NO_MEMORY):
            raise ResourceError(
                f"not enough memory to {what}", hint="use smaller batches or images"
            ) from error
        text = f"ONNX Runtime cannot {what}: {printable(str(error))}"
        raise otherwise(text, hint=hint) from error


def _require_text(path: Path) -> None:
    """ONNX Runtime and onnx take paths as UTF-8.

    Raises:
        UsageError: a name that is other bytes.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{shown(path)} is not a path in UTF-8, as ONNX Runtime takes them alone",
            hint="rename the folder or file",
        ) from error


def _read(model: Path | OnnxModel | ir.Model) -> OnnxModel | ir.Model:
    if not isinstance(model, Path):
        return model
    _require_text(model)
    try:
        return OnnxModel.read(model)
    except ModuleNotFoundError as error:
        raise _needs_onnx_ir(error) from error


def _needs_onnx_ir(error: ModuleNotFoundError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"bfloat16 on the CPU needs the package {error.name}: ONNX Runtime has no bfloat16 "
        "arithmetic there",
        hint=f"pip install {error.name}, or export in fp32 or fp16",
    )


def _is_quantized(model: Path | OnnxModel | ir.Model, precision: PrecisionName | None) -> bool:
    if isinstance(model, OnnxModel):
        precision = precision or model.precision
    elif not isinstance(model, Path) and precision is None:
        from vmamba_deploy.exporting.dequantize import quantized_as

        precision = quantized_as(model)
    return precision is not None and precision_named(precision).quantized


def _source(model: Path | OnnxModel | ir.Model, *, widen: bool) -> str | bytes:
    """What ONNX Runtime loads: the file itself wherever it can."""
    if isinstance(model, Path | OnnxModel):
        _require_text(model if isinstance(model, Path) else model.path)
    if isinstance(model, Path) and not widen:
        return str(model)
    try:
        from vmamba_deploy.exporting.passes import WidenBfloat16, serialised
    except ModuleNotFoundError as error:
        raise _needs_onnx_ir(error) from error
    file = OnnxModel.read(model) if isinstance(model, Path) else model
    graph = file.ir if isinstance(file, OnnxModel) else file
    if widen:
        widened = WidenBfloat16()(graph.clone())
        if widened.modified:
            return serialised(widened.model)
    return str(file.path) if isinstance(file, OnnxModel) else serialised(graph)


class _CpuRuntime(ABC):
    """What both ways on the CPU share: sessions that `_create` makes."""

    def open(self) -> OnnxRuntimeSession:
        """Load the file, with the library where there is one, which its first use builds."""
        return self.open_streams(1)[0]

    def open_streams(self, count: int) -> list[OnnxRuntimeSession]:
        """Load the file once: ONNX Runtime's own session takes calls of many threads."""
        return turns_in(self._create(), count)

    def profile(
        self, pixel_values: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]], calls: int
    ) -> list[NodeTime]:
        """See `Profiling`."""
        from vmamba_deploy.runtimes.onnxruntime_profile import profiled_nodes

        return profiled_nodes(self._create, pixel_values, others, calls)

    @abstractmethod
    def _create(self, profile_prefix: Path | None = None) -> Any:
        """A session of ONNX Runtime's."""


class OnnxRuntimeBody(_CpuRuntime):
    """Stock ONNX Runtime: what a user without our library gets."""

    name = "onnxruntime-body"

    def __init__(self, model: Path | OnnxModel, *, threads: int = 0) -> None:
        self._model, self._threads = model, threads

    def status(self) -> RuntimeStatus:
        """Available where the package onnxruntime is."""
        return _onnxruntime_status()

    def _create(self, profile_prefix: Path | None = None) -> Any:
        return create_session(self._model, threads=self._threads, profile_prefix=profile_prefix)


class OnnxRuntimeLibrary(_CpuRuntime):
    """ONNX Runtime with `libvmamba_ort.so`: the scan runs in our kernel."""

    name = "onnxruntime-library"

    def __init__(
        self, model: Path | OnnxModel, *, library: Path | None = None, threads: int = 0
    ) -> None:
        self._model, self._library, self._threads = model, library, threads

    def status(self) -> RuntimeStatus:
        """Available where the package onnxruntime and the library are, or can be built."""
        from vmamba_deploy import native

        status = _onnxruntime_status()
        if not status.available or self._library is not None:
            return status
        available, reason = native.available(CUSTOM_OP_LIBRARY)
        return RuntimeStatus(available, status.reason if available else reason)

    def _create(self, profile_prefix: Path | None = None) -> Any:
        from vmamba_deploy import native

        return create_session(
            self._model,
            library=self._library or native.library_path(CUSTOM_OP_LIBRARY),
            threads=self._threads,
            profile_prefix=profile_prefix,
        )


class OnnxRuntimeSession:
    """A loaded file."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = [taken.name for taken in session.get_inputs()]
        self._outputs = [output.name for output in session.get_outputs()]

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `Session`.

        Raises:
            ResourceError: there is not enough memory for such a batch.
            BuildError: the execution failed.
            UsageError: an input too few or too many.
        """
        session = self._session  # lives until this call ends, whoever closes meanwhile
        if session is None:
            raise ClosedError("this ONNX Runtime session is closed")
        feed = fed(self._inputs, pixel_values, others)
        with explained(f"run a batch of {len(pixel_values)}", BuildError):
            arrays = session.run(self._outputs, feed)
        return {name: given(array) for name, array in zip(self._outputs, arrays, strict=True)}

    def close(self) -> None:
        """Free the session."""
        self._session = None


def turns_in(session: Any, count: int) -> list[OnnxRuntimeSession]:
    """So many sessions, which share one `onnxruntime.InferenceSession` and its threads."""
    return [OnnxRuntimeSession(session) for _ in range(count)]


def _onnxruntime_status() -> RuntimeStatus:
    for package in ("onnxruntime", "onnxruntime-gpu"):
        try:
            return RuntimeStatus(True, f"ONNX Runtime {version(package)}, CPU")
        except PackageNotFoundError:
            continue
    return RuntimeStatus(False, "the package onnxruntime is not installed")


def check_onnx(serving: Serving) -> Path:
    """The ONNX file of a folder that is opened.

    Raises:
        IntegrityError: the manifest lists none, or the folder is not what it says.
    """
    if ONNX_NAME not in serving.manifest.files:
        raise IntegrityError(f"{serving.folder / MANIFEST_NAME} lists no {ONNX_NAME}")
    if serving.verify:
        verify(serving.folder)
    else:
        require_files(serving.folder, serving.manifest)
    return serving.folder / ONNX_NAME


def listed_library(serving: Serving) -> Path | None:
    """Our custom-op library, when it came with the model; without it the function body runs."""
    listed = ORT_LIBRARY_NAME in serving.manifest.files
    return serving.folder / ORT_LIBRARY_NAME if listed else None


def served(name: str, serving: Serving, sessions: list[Any]) -> ServedModel:
    """Sessions on an ONNX file, as an application gets them."""
    fixed = serving.manifest.onnx.inputs[0].shape[0]
    if isinstance(fixed, int):
        return ServedModel(name, sessions, (fixed, fixed), fixed=True)
    return ServedModel(name, sessions, (1, _USUAL_LARGEST_BATCH), fixed=False)


def _open_folder(serving: Serving) -> ServedModel:
    session = create_session(
        check_onnx(serving),
        library=listed_library(serving),
        threads=serving.threads,
        precision=serving.manifest.precision,
    )
    return served("onnxruntime", serving, turns_in(session, serving.streams))


def _layer_session(model: ir.Model) -> Any:
    from vmamba_deploy import native

    return create_session(model, library=native.library_path(CUSTOM_OP_LIBRARY))


ONNXRUNTIME_BODY = RuntimeKind(
    OnnxRuntimeBody.name,
    lambda files: OnnxRuntimeBody(files.onnx, threads=files.threads),
    layer_session=create_session,
    title="ONNX Runtime",
)
ONNXRUNTIME_LIBRARY = RuntimeKind(
    OnnxRuntimeLibrary.name,
    lambda files: (
        OnnxRuntimeLibrary(files.onnx, library=files.library, threads=files.threads)
        if files.onnx.our_nodes
        else None
    ),
    Service("ort", lambda _serving: _onnxruntime_status(), _open_folder),
    layer_session=_layer_session,
    title="ONNX Runtime with our library",
)
