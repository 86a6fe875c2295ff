"""One way through an engine: an execution context with a stream and buffers of its own."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import (
    BuildError,
    ClosedError,
    IntegrityError,
    ResourceError,
    UsageError,
)
from vmamba_deploy.runtimes.base import fed, given
from vmamba_deploy.runtimes.tensorrt.cuda_device import FULL_HINT, HostBuffer
from vmamba_deploy.tasks.task import PIXEL_VALUES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vmamba_deploy.runtimes.base import Outputs
    from vmamba_deploy.runtimes.tensorrt.cuda_device import CudaDevice

    _Shapes = dict[str, tuple[int, ...]]


class LoadedEngine:
    """A deserialised engine, and the device it lies on.

    Args:
        trt: the TensorRT module.
        runtime: that deserialised it; kept, for it must outlive the engine.
        engine: with one optimization profile.
        device: see `CudaDevice`.
        first: name of the input that comes first in a call.

    Raises:
        IntegrityError: no input, or no output.
    """

    def __init__(
        self, trt: Any, runtime: Any, engine: Any, device: CudaDevice, first: str = PIXEL_VALUES
    ) -> None:
        self.trt, self.device, self._runtime, self._engine = trt, device, runtime, engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        outputs = [n for n in names if n not in inputs]
        if not inputs or not outputs:
            raise IntegrityError(f"the engine has tensors {names}, expected inputs and outputs")
        # The sort leaves the others in the engine's order.
        self.input_names = tuple(sorted(inputs, key=lambda name: name != first))
        self.output_names = tuple(outputs)

    @property
    def smallest(self) -> tuple[int, ...]:
        """The smallest shape of the first input in the optimization profile."""
        return self.profile(self.input_names[0])[0]

    @property
    def largest(self) -> tuple[int, ...]:
        """The largest shape of the first input in the optimization profile."""
        return self.profile(self.input_names[0])[1]

    def profile(self, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The smallest and the largest shape of an input in the optimization profile."""
        smallest, _, largest = self._engine.get_tensor_profile_shape(name, 0)
        return tuple(smallest), tuple(largest)

    def dtype(self, name: str) -> np.dtype[Any]:
        """NumPy's type of a tensor."""
        import numpy as np

        dtype: np.dtype[Any] = np.dtype(self.trt.nptype(self._engine.get_tensor_dtype(name)))
        return dtype

    def layer_kinds(self) -> dict[str, str]:
        """TensorRT's type of each layer by its name, where the engine was built to tell it."""
        written = self.trt.LayerInformationFormat.JSON
        text = self._engine.create_engine_inspector().get_engine_information(written)
        layers = json.loads(text).get("Layers", [])
        return {each["Name"]: each["LayerType"] for each in layers if isinstance(each, dict)}

    def new_context(self, *, cuda_graphs: bool) -> tuple[Any, bool]:
        """An execution context, and whether it replays CUDA graphs by itself.

        TensorRT-RTX compiles kernels while it runs and so must capture graphs itself.

        Raises:
            ResourceError: device memory is full.
        """
        strategies = getattr(self.trt, "CudaGraphStrategy", None)
        options: list[Any] = []
        if cuda_graphs and strategies is not None:
            config = self._engine.create_runtime_config()
            config.cuda_graph_strategy = strategies.WHOLE_GRAPH_CAPTURE
            options.append(config)
        context = self._engine.create_execution_context(*options)
        if context is None:
            raise ResourceError(
                "TensorRT cannot make an execution context: memory is full", hint=FULL_HINT
            )
        return context, bool(options)

    def close(self) -> None:
        """Free the engine; its lanes must be closed before."""
        self.device.make_current()
        self._engine = self._runtime = None


class EngineLane:
    """A session of its own on an engine; not for two threads at a time.

    Its buffers are made once, for the profile's largest shapes, so that the addresses in a captured
    graph stay true. The second call in a row of a shape captures a graph, which the next ones
    launch. Another shape ends it: a graph holds what the context had set up for its own.

    Args:
        engine: see `LoadedEngine`.
        cuda_graphs: False launches kernel by kernel.

    Raises:
        ResourceError: host or device memory is full.
    """

    def __init__(self, engine: LoadedEngine, *, cuda_graphs: bool = False) -> None:
        self._engine, self._device = engine, engine.device
        self._device.make_current()
        self._context, replays = engine.new_context(cuda_graphs=cuda_graphs)
        self._stream = self._device.create_stream()
        self._capture = cuda_graphs and not replays
        self._graph: Any = None
        self._shapes: _Shapes | None = None
        names = *engine.input_names, *engine.output_names
        self._dtypes = {name: engine.dtype(name) for name in names}
        self._turn = threading.Lock()
        self._host: dict[str, HostBuffer] = {}
        self._memory: dict[str, Any] = {}
        try:
            self._make_buffers()
        except BaseException:
            self.close()
            raise

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `Session`.

        Raises:
            UsageError: a shape outside the engine's profile, or an input too few or too many.
            BuildError: the execution failed.
            ClosedError: the lane is closed.
        """
        with self._turn:
            return self._run(fed(self._engine.input_names, pixel_values, others))

    def report_to(self, profiler: Any) -> None:
        """Let TensorRT tell an IProfiler what each layer takes; only without CUDA graphs."""
        with self._turn:
            self._context.profiler = profiler

    def close(self) -> None:
        """Wait for the call under way; free the context, its buffers and the stream."""
        with self._turn:
            if self._context is not None:
                self._free()

    def _free(self) -> None:
        self._device.make_current()
        self._drop_graph()
        self._context = None
        for buffer in (*self._memory.values(), *self._host.values()):
            buffer.close()
        self._stream.close()

    def _run(self, feed: dict[str, npt.NDArray[Any]]) -> Outputs:
        import numpy as np

        if self._context is None:
            raise ClosedError("this TensorRT session is closed")
        self._device.make_current()
        shapes = {name: array.shape for name, array in feed.items()}
        again = shapes == self._shapes
        self._set_shapes(shapes)
        for name, array in feed.items():
            np.copyto(self._view(name), array, casting="same_kind")
        if self._graph is None and again and self._capture:
            self._graph = self._device.capture(self._stream, self._enqueue)
        if self._graph is None:
            self._enqueue(self._stream)
        else:
            self._graph.launch(self._stream)
        self._device.wait(self._stream)
        # Copies, for the next call writes to the same buffers.
        return {name: given(self._view(name)).copy() for name in self._engine.output_names}

    def _make_buffers(self) -> None:
        self._set_shapes({name: self._engine.profile(name)[1] for name in self._engine.input_names})
        for name in self._dtypes:
            size = self._size_bytes(name)
            self._host[name] = self._device.allocate_host(size)
            self._memory[name] = self._device.allocate(size, self._stream)
            self._context.set_tensor_address(name, int(self._memory[name].handle))
        self._shapes = None  # nothing has run in it yet

    def _enqueue(self, stream: Any) -> None:
        """Put upload, execution and download of the current shapes on a stream."""
        host, memory, copy = self._host, self._memory, self._device.copy
        for name in self._engine.input_names:
            copy(int(memory[name].handle), host[name].address, self._size_bytes(name), stream)
        if not self._context.execute_async_v3(int(stream.handle)):
            raise BuildError("TensorRT could not execute the engine")
        for name in self._engine.output_names:
            copy(host[name].address, int(memory[name].handle), self._size_bytes(name), stream)

    def _drop_graph(self) -> None:
        if self._graph is not None:
            self._graph.close()
        self._graph = None

    def _set_shapes(self, shapes: _Shapes) -> None:
        if shapes == self._shapes:
            return
        self._drop_graph()
        self._shapes = None
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                smallest, largest = self._engine.profile(name)
                raise UsageError(
                    f"the engine takes shapes of {name} from {smallest} to {largest}, got {shape}"
                )
        self._shapes = shapes

    def _size_bytes(self, name: str) -> int:
        import numpy as np

        shape = tuple(self._context.get_tensor_shape(name))
        return int(np.prod(shape)) * self._dtypes[name].itemsize

    def _view(self, name: str) -> npt.NDArray[Any]:
        shape = tuple(self._context.get_tensor_shape(name))
        return self._host[name].view(shape, self._dtypes[name])
