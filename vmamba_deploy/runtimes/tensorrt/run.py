"""Run an engine: the `tensorrt` and `tensorrt_rtx` runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.manifest import read_manifest, verify
from vmamba_deploy.errors import EnvironmentProblem, IntegrityError, UsageError
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from vmamba_deploy.runtimes.tensorrt.cuda_driver import GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.flavour import FLAVOURS, Flavour
from vmamba_deploy.runtimes.tensorrt.lane import EngineLane, LoadedEngine
from vmamba_deploy.runtimes.tensorrt.plugin_library import (
    PLUGIN_LIBRARY_NAME,
    find_plugin_library,
    load_plugin,
)
from vmamba_deploy.runtimes.tensorrt.trt_logging import make_logger

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vmamba_deploy.runtimes.base import Outputs


class TensorRTRuntime:
    """One engine file, to be run on the first GPU of this machine.

    `from_folder` is the way to deployed artefacts: it takes all of the following from the manifest.

    Args:
        engine: the file.
        flavour: that built it.
        plugin_library: `libvmamba_trt.so` beside it; None builds or finds it.
        built_with: the version that built the engine, as its manifest says; None: not known.
        version_compatible: whether other versions may load it.
        hardware_compatible: whether GPUs newer than the oldest of `target_sms` may run it.
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
        hardware_compatible: bool = False,
        target_sms: tuple[int, ...] = (),
        plugin_embedded: bool = False,
    ) -> None:
        self._engine, self._flavour, self._library = engine, flavour, plugin_library
        self._built_with, self._version_compatible = built_with, version_compatible
        self._hardware_compatible = hardware_compatible
        self._target_sms, self._plugin_embedded = target_sms, plugin_embedded
        self._folder: Path | None = None

    @classmethod
    def from_manifest(cls, engine: Path, described: Mapping[str, Any]) -> TensorRTRuntime:
        """The runtime of an engine that a manifest's `engine` describes; checks no hashes.

        Raises:
            IntegrityError: it describes no engine.
            UsageError: the engine's weights were stripped.
        """
        if not described["built"]:
            raise IntegrityError(f"there is no engine: {described['reason']}")
        if described["weights_stripped"]:
            raise UsageError(f"{engine} has no weights", hint="refit it from the ONNX file first")
        embedded = described["plugin"]["delivery"] == "embedded"
        targets = (capability.split(".") for capability in described["compute_capabilities"])
        return cls(
            engine,
            FLAVOURS[described["flavour"]],
            plugin_library=None if embedded else engine.parent / PLUGIN_LIBRARY_NAME,
            built_with=described["version"],
            version_compatible=described["version_compatible"],
            hardware_compatible=described["hardware_compatible"],
            target_sms=tuple(10 * int(major) + int(minor) for major, minor in targets),
            plugin_embedded=embedded,
        )

    @classmethod
    def from_folder(cls, folder: Path, *, engine_name: str = "model.engine") -> TensorRTRuntime:
        """The engine of an artefact folder.

        Every file is checked against the manifest by `open`, before TensorRT reads a byte of it.

        Raises:
            IntegrityError: no manifest, or one that lists no such engine.
            UsageError: the engine's weights were stripped.
        """
        manifest = read_manifest(folder)
        runtime = cls.from_manifest(folder / engine_name, manifest["engine"])
        if engine_name not in manifest["files"]:
            raise IntegrityError(f"the manifest of {folder} does not list {engine_name}")
        runtime._folder = folder
        return runtime

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
        if not self._runs_on(10 * major + minor):
            targets = ", ".join(f"{sm // 10}.{sm % 10}" for sm in self._target_sms)
            return RuntimeStatus(
                False, f"the engine was built for compute capability {targets}, not {major}.{minor}"
            )
        if not self._engine.is_file():
            return RuntimeStatus(False, f"there is no engine at {self._engine}")
        return RuntimeStatus(True, f"{self._flavour.title} {installed} on {search.first}")

    def open(self) -> TensorRTSession:
        """Load the engine for calls of one thread; see `load`."""
        return TensorRTSession(self.load())

    def load(self) -> LoadedEngine:
        """Load the plugin, then the engine.

        Raises:
            EnvironmentProblem: see `status`.
            IntegrityError: the folder is not what its manifest says, or TensorRT does not accept
                the engine.
        """
        search = find_gpus()
        status = self.status(search)
        if not status.available:
            raise EnvironmentProblem(status.reason)
        self._verify(search)
        trt = self._flavour.module()
        if not self._plugin_embedded:
            load_plugin(self._flavour, find_plugin_library(self._library))
        device = CudaDevice()
        logger = make_logger(trt)
        runtime = trt.Runtime(logger)
        runtime.engine_host_code_allowed = self._plugin_embedded or self._version_compatible
        engine = runtime.deserialize_cuda_engine(self._engine.read_bytes())
        if engine is None:
            raise IntegrityError(
                f"{self._flavour.title} refuses {self._engine}: {'; '.join(logger.errors)}",
                hint="build the engine again on this machine",
            )
        return LoadedEngine(trt, runtime, engine, device)

    def _runs_on(self, sm: int) -> bool:
        if not self._target_sms or sm in self._target_sms:
            return True
        return self._hardware_compatible and sm >= min(self._target_sms)

    def _verify(self, search: GpuSearch) -> None:
        if self._folder is None:
            return
        assert search.first is not None  # status said so
        major, minor = search.first.compute_capability
        verify(
            self._folder,
            flavour=self._flavour.name,
            flavour_version=self._flavour.version,
            compute_capability=f"{major}.{minor}",
        )


class TensorRTSession:
    """A loaded engine with one lane; not for two threads at a time."""

    def __init__(self, engine: LoadedEngine) -> None:
        self._engine = engine
        self._lane = EngineLane(engine)

    def __call__(self, pixel_values: npt.NDArray[np.generic]) -> Outputs:
        """Map pixel_values, in the engine's own layout, to float32 arrays by name.

        Raises:
            UsageError: a shape outside the engine's profile.
            BuildError: the execution failed.
        """
        return self._lane(pixel_values)

    def close(self) -> None:
        """Free the engine, its buffers and the stream."""
        self._lane.close()
        self._engine.close()
