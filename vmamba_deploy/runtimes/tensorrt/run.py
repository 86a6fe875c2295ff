"""Run an engine: the `tensorrt` and `tensorrt_rtx` runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.errors import BuildError, IntegrityError, UsageError
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.runtimes.tensorrt.cuda_driver import GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.device_memory import Buffer, Device
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour
from vmamba_deploy.runtimes.tensorrt.plugin_library import find_plugin_library, load_plugin
from vmamba_deploy.runtimes.tensorrt.trt_logging import make_logger

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class TensorRTRuntime:
    """One engine file, to be run on the first GPU of this machine.

    Args:
        engine: the file.
        flavour: that built it.
        plugin_library: `libvmamba_trt.so` beside it; None builds or finds it.
        built_with: the version that built the engine, as its manifest says; None: not known.
        version_compatible: whether other versions may load it.
        target_sms: the compute capabilities it was built for, empty: all that the flavour takes.
        plugin_embedded: the library is inside; then loading the engine runs it.
    """

    def __init__(
        self,
        engine: Path,
        flavour: Flavour,
        *,
        plugin_library: Path | None = None,
        built_with: str | None = None,
        version_compatible: bool = False,
        target_sms: tuple[int, ...] = (),
        plugin_embedded: bool = False,
    ) -> None:
        self._engine, self._flavour, self._library = engine, flavour, plugin_library
        self._built_with, self._version_compatible = built_with, version_compatible
        self._target_sms, self._plugin_embedded = target_sms, plugin_embedded

    @property
    def name(self) -> str:
        """`tensorrt` or `tensorrt_rtx`."""
        return self._flavour.name

    def status(self, search: GpuSearch | None = None) -> RuntimeStatus:
        """Why the engine can (not) run here: GPU, flavour, versions; loads nothing."""
        search = search or find_gpus()
        status = self._flavour.can_run_here(search)
        if not status.available:
            return status
        installed = self._flavour.version
        if self._built_with not in (None, installed) and not self._version_compatible:
            return RuntimeStatus(
                False,
                f"the engine was built by {self._flavour.title} {self._built_with} and runs on no "
                f"other version; {installed} is installed",
            )
        assert search.first is not None  # can_run_here said so
        major, minor = search.first.compute_capability
        if self._target_sms and 10 * major + minor not in self._target_sms:
            targets = ", ".join(f"{sm // 10}.{sm % 10}" for sm in self._target_sms)
            return RuntimeStatus(
                False, f"the engine was built for compute capability {targets}, not {major}.{minor}"
            )
        if not self._engine.is_file():
            return RuntimeStatus(False, f"there is no engine at {self._engine}")
        return RuntimeStatus(True, f"{self._flavour.title} {installed} on {search.first}")

    def open(self) -> TensorRTSession:
        """Load the plugin, then the engine.

        Raises:
            EnvironmentProblem: see `status`.
            IntegrityError: TensorRT does not accept the engine.
        """
        trt = self._flavour.module()
        if not self._plugin_embedded:
            load_plugin(self._flavour, find_plugin_library(self._library))
        device = Device()
        logger = make_logger(trt)
        runtime = trt.Runtime(logger)
        runtime.engine_host_code_allowed = self._plugin_embedded or self._version_compatible
        engine = runtime.deserialize_cuda_engine(self._engine.read_bytes())
        if engine is None:
            device.close()
            raise IntegrityError(
                f"{self._flavour.title} refuses {self._engine}: {'; '.join(logger.errors)}",
                hint="build the engine again on this machine",
            )
        return TensorRTSession(trt, runtime, engine, device)


class TensorRTSession:
    """A loaded engine; not for two threads at a time."""

    def __init__(self, trt: Any, runtime: Any, engine: Any, device: Device) -> None:
        # The runtime must outlive its engine.
        self._trt, self._runtime, self._engine, self._device = trt, runtime, engine, device
        self._context = engine.create_execution_context()
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        inputs = [n for n in names if engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        outputs = [n for n in names if n not in inputs]
        if len(inputs) != 1 or len(outputs) != 1:
            raise IntegrityError(f"the engine has tensors {names}, expected one input, one output")
        self._input, self._output = inputs[0], outputs[0]
        self._buffers: dict[str, Buffer] = {}

    def __call__(self, pixel_values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Map pixel_values [B,3,H,W] to logits [B,num_classes] float32.

        Raises:
            UsageError: a shape outside the engine's profile.
            BuildError: the execution failed.
        """
        import numpy as np

        self._device.make_current()
        dtype = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(self._input)))
        image = np.ascontiguousarray(pixel_values, dtype=dtype)
        if not self._context.set_input_shape(self._input, image.shape):
            low, _, high = self._engine.get_tensor_profile_shape(self._input, 0)
            raise UsageError(
                f"the engine takes shapes from {tuple(low)} to {tuple(high)}, got {image.shape}"
            )
        out_type = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(self._output)))
        logits = np.empty(tuple(self._context.get_tensor_shape(self._output)), dtype=out_type)
        for name, array in ((self._input, image), (self._output, logits)):
            self._context.set_tensor_address(name, self._buffer(name, array.nbytes).pointer)
        self._device.upload(self._buffers[self._input], image)
        if not self._context.execute_async_v3(self._device.stream):
            raise BuildError("TensorRT could not execute the engine")
        self._device.download(logits, self._buffers[self._output])
        return np.asarray(logits, dtype=np.float32)

    def close(self) -> None:
        """Free the engine, its buffers and the stream."""
        self._device.make_current()
        del self._context, self._engine, self._runtime
        for buffer in self._buffers.values():
            self._device.free(buffer)
        self._buffers.clear()
        self._device.close()

    def _buffer(self, name: str, size_bytes: int) -> Buffer:
        """The buffer of a tensor, made larger when it must be; the stream is idle between calls."""
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size_bytes < size_bytes:
            if buffer is not None:
                self._device.free(buffer)
            buffer = self._buffers[name] = self._device.allocate(size_bytes)
        return buffer
