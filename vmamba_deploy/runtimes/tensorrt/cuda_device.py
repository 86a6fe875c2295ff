"""Streams, memory and graphs of CUDA's device 0, through cuda-python (cuda-core)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import EnvironmentProblem, ResourceError, VmambaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

INSTALL_HINT = "pip install cuda-core cuda-bindings"
FULL_HINT = "use fewer streams, or an engine with a smaller largest batch"


class CudaDevice:
    """CUDA's device 0 and its primary context, the one that TensorRT uses.

    Raises:
        EnvironmentProblem: cuda-python is not installed, or there is no driver or no device.
    """

    def __init__(self) -> None:
        try:
            from cuda.bindings import driver
            from cuda.core import Device, LegacyPinnedMemoryResource, StreamOptions
        except ImportError as error:
            raise EnvironmentProblem(
                f"cuda-python cannot be imported: {error}", hint=INSTALL_HINT
            ) from error
        self._driver, self._pinned = driver, LegacyPinnedMemoryResource()
        self._device_class, self._stream_options = Device, StreamOptions(nonblocking=True)
        self.make_current()

    def make_current(self) -> None:
        """Bind the context to the calling thread."""
        with _explained("select the device"):
            self._device_class(0).set_current()

    def create_stream(self) -> Any:
        """A stream that does not wait for the default one."""
        with _explained("create a stream"):
            return self._device_class(0).create_stream(options=self._stream_options)

    def allocate(self, size_bytes: int, stream: Any) -> Any:
        """Device memory, in the order of the stream; its `handle` is the address.

        Raises:
            ResourceError: the device is full.
        """
        with _explained(f"allocate {size_bytes:,} bytes on the GPU"):
            buffer = self._device_class(0).allocate(size_bytes, stream=stream)
            stream.sync()
            return buffer

    def allocate_host(self, size_bytes: int) -> HostBuffer:
        """Page-locked host memory, which copies need to run beside the host's work.

        Raises:
            ResourceError: so much memory cannot be locked.
        """
        with _explained(f"lock {size_bytes:,} bytes of host memory"):
            return HostBuffer(self._pinned.allocate(size_bytes), size_bytes)

    def copy(self, target: int, source: int, size_bytes: int, stream: Any) -> None:
        """Copy between addresses of host and device, in the order of the stream."""
        (code,) = self._driver.cuMemcpyAsync(target, source, size_bytes, stream.handle)
        if code != self._driver.CUresult.CUDA_SUCCESS:
            raise _explain(f"CUDA could not copy {size_bytes:,} bytes: {code.name}")

    def capture(self, stream: Any, work: Callable[[Any], None]) -> Any:
        """Record what `work` puts on the stream it is given; the graph has `launch(stream)`."""
        with _explained("capture a CUDA graph"):
            builder = stream.create_graph_builder()
            try:
                # Other threads may allocate meanwhile; this one must not.
                builder.begin_building("thread_local")
                work(builder.stream)
                return builder.end_building().complete()
            finally:
                builder.close()

    def wait(self, stream: Any) -> None:
        """Until all that was put on the stream is done; an error of its kernels comes out here."""
        with _explained("run the engine"):
            stream.sync()


class HostBuffer:
    """Page-locked host memory as NumPy arrays."""

    def __init__(self, buffer: Any, size_bytes: int) -> None:
        import numpy as np

        self._buffer = buffer
        self.address = int(buffer.handle)
        memory = memoryview((ctypes.c_uint8 * size_bytes).from_address(self.address))
        self._bytes: npt.NDArray[np.uint8] = np.frombuffer(memory.cast("B"), dtype=np.uint8)

    def view(self, shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
        """The first bytes as an array; it must not outlive the buffer."""
        import numpy as np

        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        array: npt.NDArray[Any] = self._bytes[:size].view(dtype).reshape(shape)
        return array

    def close(self) -> None:
        """Give the memory back."""
        self._buffer.close()


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn what cuda-core raises into our errors; ours pass through."""
    try:
        yield
    except VmambaError:
        raise
    except Exception as error:
        # cuda-core's CUDAError, cuda-pathfinder's and the bindings' errors share no base class.
        if type(error).__module__.partition(".")[0] == "cuda" or isinstance(error, RuntimeError):
            raise _explain(f"CUDA could not {what}: {error}") from error
        raise


def _explain(message: str) -> VmambaError:
    if "OUT_OF_MEMORY" in message:
        return ResourceError(message, hint=FULL_HINT)
    return EnvironmentProblem(message)
