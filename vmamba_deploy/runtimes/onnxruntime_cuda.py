"""ONNX Runtime on an NVIDIA GPU with our custom-op library: bound tensors, CUDA graphs."""

from __future__ import annotations

import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.manifest import ONNX_NAME, ORT_LIBRARY_NAME
from vmamba_deploy.errors import BuildError, ClosedError, EnvironmentProblem
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
from vmamba_deploy.runtimes.onnxruntime import (
    CUSTOM_OP_LIBRARY,
    check_onnx,
    create_session,
    explained,
    listed_library,
    served,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import onnx_ir as ir

    from vmamba_deploy.runtimes.base import Outputs

GPU_PACKAGE = "onnxruntime-gpu"
INSTALL_HINT = f"pip uninstall -y onnxruntime; pip install {GPU_PACKAGE}"
PROVIDER = "CUDAExecutionProvider"


def cuda_package() -> str | None:
    """The version of the package with the CUDA provider; None where it is not installed."""
    try:
        return version(GPU_PACKAGE)
    except PackageNotFoundError:
        return None


class OnnxRuntimeCuda:
    """ONNX Runtime with CUDA and `libvmamba_ort.so`; no node may run on the CPU.

    Args:
        path: ONNX file.
        library: built with CUDA; None builds it or takes the one at hand.
        cuda_graph: capture the whole network at each shape's second call, and replay it then.
    """

    name = "onnxruntime-cuda"

    def __init__(
        self, path: Path, *, library: Path | None = None, cuda_graph: bool = False
    ) -> None:
        self._path, self._library, self._cuda_graph = path, library, cuda_graph

    def status(self) -> RuntimeStatus:
        """Available where onnxruntime-gpu, a GPU and the library are, or can be built."""
        from vmamba_deploy import native
        from vmamba_deploy.runtimes.cuda_driver import find_gpus

        package = cuda_package()
        if package is None:
            return RuntimeStatus(False, f"the package {GPU_PACKAGE} is not installed")
        search = find_gpus()
        if not search.gpus:
            return RuntimeStatus(False, search.reason)
        if self._library is None:
            available, reason = native.available(CUSTOM_OP_LIBRARY)
            if not available:
                return RuntimeStatus(False, reason)
        return RuntimeStatus(True, f"ONNX Runtime {package}, {search.gpus[0]}")

    def open(self) -> BoundSession:
        """Load the file on the first GPU.

        Raises:
            EnvironmentProblem: ONNX Runtime cannot use CUDA here, or would run nodes on the CPU:
                the library was built without CUDA, say.
            InputFileError: ONNX Runtime does not accept the file.
        """
        from vmamba_deploy import native

        library = self._library or native.library_path(CUSTOM_OP_LIBRARY)
        session = create_session(
            self._path, library=library, device="cuda", cuda_graph=self._cuda_graph
        )
        if PROVIDER not in session.get_providers():
            # It goes on with the CPU after a line in its log.
            raise EnvironmentProblem(
                "ONNX Runtime could not start its CUDA provider: its log says why",
                hint=f"compare the CUDA and cuDNN that {GPU_PACKAGE} needs with those installed",
            )
        return BoundSession(session, "cuda", cuda_graph=self._cuda_graph)

    def open_streams(self, count: int) -> list[BoundSession]:
        """Load the file for each stream: a session holds the buffers and graphs of one."""
        return [self.open() for _ in range(count)]


class BoundSession:
    """A session whose inputs and outputs stay on the device: a set of buffers for each shape.

    Args:
        session: an `onnxruntime.InferenceSession`.
        device: `cuda` or `cpu`, where the buffers lie.
        cuda_graph: whether the session captures graphs; each shape gets one of its own.
    """

    def __init__(self, session: Any, device: str, *, cuda_graph: bool = False) -> None:
        self._session, self._device, self._cuda_graph = session, device, cuda_graph
        self._inputs = [taken.name for taken in session.get_inputs()]
        self._bound: dict[tuple[tuple[int, ...], ...], _Bound] = {}
        self._turn = threading.Lock()

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `Session`.

        Raises:
            ResourceError: the GPU has not enough memory for such a batch.
            BuildError: the execution failed.
            ClosedError: the session is closed.
            UsageError: an input too few or too many.
        """
        feed = fed(self._inputs, pixel_values, others)
        with self._turn:
            if self._session is None:
                raise ClosedError("this ONNX Runtime session is closed")
            with explained(f"run a batch of {len(pixel_values)}", BuildError):
                return self._run(feed)

    def close(self) -> None:
        """Wait for the call under way, and free the session and its buffers."""
        with self._turn:
            self._bound.clear()
            self._session = None

    def _run(self, feed: dict[str, npt.NDArray[Any]]) -> Outputs:
        import numpy as np

        feed = {name: np.ascontiguousarray(array) for name, array in feed.items()}
        shapes = tuple(array.shape for array in feed.values())
        bound = self._bound.get(shapes)
        if bound is None:
            bound = self._bind(feed)
            self._bound[shapes] = bound
        else:
            for name, array in feed.items():
                bound.inputs[name].update_inplace(array)
        self._session.run_with_iobinding(bound.binding, bound.options)
        bound.binding.synchronize_outputs()
        # Copies, for the next call writes to the same buffers.
        return {name: given(buffer.numpy()).copy() for name, buffer in bound.outputs.items()}

    def _bind(self, feed: dict[str, npt.NDArray[Any]]) -> _Bound:
        import onnxruntime as ort

        binding = self._session.io_binding()
        inputs = {
            name: ort.OrtValue.ortvalue_from_numpy(array, self._device, 0)
            for name, array in feed.items()
        }
        for name, values in inputs.items():
            binding.bind_ortvalue_input(name, values)
        dtypes = {one.name: _numpy_dtype(one.type) for one in self._session.get_outputs()}
        outputs = {
            name: ort.OrtValue.ortvalue_from_shape_and_type(shape, dtypes[name], self._device, 0)
            for name, shape in self._output_shapes(feed).items()
        }
        for name, buffer in outputs.items():
            binding.bind_ortvalue_output(name, buffer)
        options = ort.RunOptions()
        if self._cuda_graph:
            options.add_run_config_entry("gpu_graph_id", str(len(self._bound) + 1))
        return _Bound(binding, inputs, outputs, options)

    def _output_shapes(self, feed: dict[str, npt.NDArray[Any]]) -> dict[str, list[int]]:
        """The shapes that the file states; where it leaves sides free, a run tells them."""
        import onnxruntime as ort

        taken = self._session.get_inputs()
        free = {
            axis: side
            for one in taken
            for axis, side in zip(one.shape, feed[one.name].shape, strict=True)
            if isinstance(axis, str)
        }
        shapes = {
            one.name: [free.get(axis, axis) for axis in one.shape]
            for one in self._session.get_outputs()
        }
        if all(isinstance(side, int) for shape in shapes.values() for side in shape):
            return shapes
        options = ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", "-1")  # no graph of this one
        arrays = self._session.run(list(shapes), feed, options)
        return {name: list(array.shape) for name, array in zip(shapes, arrays, strict=True)}


class _Bound:
    """The buffers of one shape; they must live as long as the binding, and as a captured graph."""

    def __init__(
        self, binding: Any, inputs: dict[str, Any], outputs: dict[str, Any], options: Any
    ) -> None:
        self.binding, self.inputs, self.outputs, self.options = binding, inputs, outputs, options


def _numpy_dtype(type_name: str) -> type[np.generic]:
    """NumPy's of ONNX Runtime's `tensor(float)`, where the names differ for two types alone."""
    import numpy as np

    element = type_name.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(element, element)).type


def _on_files(files: ModelFiles) -> OnnxRuntimeCuda | None:
    if cuda_package() is None:
        return None
    return OnnxRuntimeCuda(files.onnx.path, library=files.library, cuda_graph=files.cuda_graphs)


def _folder_status(serving: Serving) -> RuntimeStatus:
    library = listed_library(serving)
    if library is None:
        return RuntimeStatus(
            False,
            f"{serving.folder} has no {ORT_LIBRARY_NAME}, without which the scans would run as "
            "loops",
        )
    return OnnxRuntimeCuda(serving.folder / ONNX_NAME, library=library).status()


def _open_folder(serving: Serving) -> ServedModel:
    path, library = check_onnx(serving), listed_library(serving)
    status = _folder_status(serving)
    if not status.available:
        hint = None if library else "export again with this release"
        raise EnvironmentProblem(status.reason, hint=hint)
    runtime = OnnxRuntimeCuda(path, library=library, cuda_graph=serving.cuda_graphs)
    return served(runtime.name, serving, runtime.open_streams(serving.streams))


def _layer_session(model: ir.Model) -> Any:
    from vmamba_deploy import native

    library = native.library_path(CUSTOM_OP_LIBRARY)
    return create_session(model, library=library, device="cuda")


def _abilities() -> list[Ability]:
    status = OnnxRuntimeCuda(Path(ONNX_NAME)).status()
    return [Ability("ONNX Runtime on CUDA", status, "" if cuda_package() else INSTALL_HINT)]


ONNXRUNTIME_CUDA = RuntimeKind(
    OnnxRuntimeCuda.name,
    _on_files,
    Service("ort-cuda", _folder_status, _open_folder, needs_gpu=True),
    layer_session=_layer_session,
    abilities=_abilities,
    title="ONNX Runtime on CUDA",
)
