"""Run an engine: the `tensorrt` and `tensorrt_rtx` runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import (
    ENGINE_NAME,
    MANIFEST_NAME,
    TRT_LIBRARY_NAME,
    Manifest,
    read_manifest,
)
from vmamba_deploy.artifacts.verification import read_verified, verify
from vmamba_deploy.errors import EnvironmentProblem, IntegrityError, UsageError, printable
from vmamba_deploy.files import read_file
from vmamba_deploy.runtimes.base import (
    Ability,
    AbsentRuntime,
    ModelFiles,
    Runtime,
    RuntimeKind,
    RuntimeStatus,
    ServedModel,
    Service,
    Serving,
)
from vmamba_deploy.runtimes.cuda_driver import GpuSearch, find_gpus
from vmamba_deploy.runtimes.profiles import NodeTime, NodeTimes
from vmamba_deploy.runtimes.tensorrt.callbacks import make_logger, make_profiler
from vmamba_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from vmamba_deploy.runtimes.tensorrt.flavour import (
    FLAVOURS,
    TENSORRT,
    TENSORRT_RTX,
    Flavour,
    likely_flavour,
)
from vmamba_deploy.runtimes.tensorrt.lane import EngineLane, LoadedEngine
from vmamba_deploy.runtimes.tensorrt.plugin_library import (
    find_plugin_library,
    load_plugin,
)
from vmamba_deploy.tasks.task import PIXEL_VALUES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vmamba_deploy.runtimes.base import Outputs

_MAX_ENGINE_BYTES = 16 << 30
_STRIPPED = "its weights are stripped; refit it before running"


class TensorRTRuntime:
    """One engine file, to be run on the first GPU of this machine.

    `from_folder` is the way to deployed artefacts: it takes all of the following from the manifest.

    Args:
        engine: the file.
        facts: what it was built by and for.
        plugin_library: `libvmamba_trt.so` beside it; None builds or finds it.
        first: name of the input that comes first in a call.
        cuda_graphs: see `EngineLane`.
    """

    def __init__(
        self,
        engine: Path,
        facts: EngineFacts,
        *,
        plugin_library: Path | None = None,
        first: str = PIXEL_VALUES,
        cuda_graphs: bool = False,
    ) -> None:
        if not facts.built or facts.flavour is None:
            raise IntegrityError(f"this folder has no engine: {facts.reason}")
        if facts.weights_stripped:
            raise UsageError(f"{engine} has no weights", hint="refit it from the ONNX file first")
        self._engine, self._facts, self._library = engine, facts, plugin_library
        self._first, self._cuda_graphs = first, cuda_graphs
        self._flavour = FLAVOURS[facts.flavour]
        self._folder: Path | None = None

    @classmethod
    def from_folder(cls, folder: Path, *, cuda_graphs: bool = False) -> TensorRTRuntime:
        """The engine of an artefact folder.

        Every file is checked against the manifest by `open`, before TensorRT reads a byte of it.

        Raises:
            IntegrityError: no manifest, or one that lists no such engine.
            UsageError: the engine's weights were stripped.
        """
        manifest = read_manifest(folder)
        library = folder / TRT_LIBRARY_NAME
        first = manifest.onnx.inputs[0].name
        runtime = cls(
            folder / ENGINE_NAME,
            manifest.engine,
            plugin_library=library,
            first=first,
            cuda_graphs=cuda_graphs,
        )
        if ENGINE_NAME not in manifest.files:
            raise IntegrityError(f"the manifest of {folder} does not list {ENGINE_NAME}")
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
        reason = self._facts.fits(**self._machine(search))
        if reason is not None:
            return RuntimeStatus(False, reason)
        if not self._engine.is_file():
            return RuntimeStatus(False, f"there is no engine at {self._engine}")
        return RuntimeStatus(
            True, f"{self._flavour.title} {self._flavour.version} on {search.first}"
        )

    def open(self) -> TensorRTSession:
        """Load the engine for calls of one thread; see `load`."""
        return self.open_streams(1)[0]

    def open_streams(self, count: int) -> list[TensorRTSession]:
        """Load the engine once; every session has a lane of its own in it."""
        engine = self.load()
        lanes = _lanes(engine, count, cuda_graphs=self._cuda_graphs)
        return [TensorRTSession(lane, engine if lane is lanes[0] else None) for lane in lanes]

    def profile(
        self, pixel_values: npt.NDArray[Any], others: Mapping[str, npt.NDArray[Any]], calls: int
    ) -> list[NodeTime]:
        """See `Profiling`; the nodes are the engine's layers, kernel by kernel."""
        with closing(self.load()) as engine, closing(EngineLane(engine)) as lane:
            return profiled_layers(engine, lane, pixel_values, others, calls)

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
        manifest = None
        if self._folder is not None:
            manifest = verify(self._folder, **self._machine(search))
        trt = self._flavour.module()
        if not self._facts.plugin_embedded:
            load_plugin(self._flavour, find_plugin_library(self._library))
        device = CudaDevice()
        logger = make_logger(trt)
        runtime = trt.Runtime(logger)
        runtime.engine_host_code_allowed = (
            self._facts.plugin_embedded or self._facts.version_compatible
        )
        engine = _deserialised(runtime, self._content(manifest), logger)
        if engine is None:
            reasons = printable("; ".join(logger.errors))
            raise IntegrityError(
                f"{self._flavour.title} refuses {self._engine}: {reasons}",
                hint="build the engine again on this machine",
            )
        return LoadedEngine(trt, runtime, engine, device, self._first)

    def _content(self, manifest: Manifest | None) -> bytes:
        """The engine, as it was compared with the manifest."""
        if self._folder is None or manifest is None:
            return read_file(self._engine, what="an engine", limit_bytes=_MAX_ENGINE_BYTES)
        return read_verified(self._folder, manifest, ENGINE_NAME)

    def _machine(self, search: GpuSearch) -> dict[str, str]:
        """What the engine must fit, once there is a GPU."""
        assert search.first is not None
        major, minor = search.first.compute_capability
        return {
            "flavour": self._flavour.name,
            "version": self._flavour.version,
            "compute_capability": f"{major}.{minor}",
        }


def _deserialised(runtime: Any, content: bytes, logger: Any) -> Any:
    """The engine; None where TensorRT refuses it, with the reasons in the log."""
    try:
        return runtime.deserialize_cuda_engine(content)
    except Exception as error:  # noqa: BLE001 - whatever TensorRT raises of bytes that are no engine
        logger.errors.append(str(error))
        return None


def profiled_layers(
    engine: LoadedEngine,
    lane: EngineLane,
    pixel_values: npt.NDArray[Any],
    others: Mapping[str, npt.NDArray[Any]],
    calls: int,
) -> list[NodeTime]:
    """What the layers of an engine take, in a lane without CUDA graphs."""
    lane(pixel_values, **others)
    profiler, kinds, times = make_profiler(engine.trt), engine.layer_kinds(), NodeTimes()
    lane.report_to(profiler)
    for _ in range(calls):
        lane(pixel_values, **others)
    for name, ms in profiler.layers:
        times.add(name, kinds.get(name, "layer"), ms)
    return times.per_call(calls)


class TensorRTSession:
    """A lane through an engine; not for two threads at a time.

    Args:
        lane: that is called.
        engine: which is freed with the session; None where another one owns it.
    """

    def __init__(self, lane: EngineLane, engine: LoadedEngine | None) -> None:
        self._lane, self._engine = lane, engine

    def __call__(
        self, pixel_values: npt.NDArray[np.generic], **others: npt.NDArray[Any]
    ) -> Outputs:
        """See `EngineLane`."""
        return self._lane(pixel_values, **others)

    def close(self) -> None:
        """Free the buffers and the stream, and the engine where it is the session's own."""
        self._lane.close()
        if self._engine is not None:
            self._engine.close()


def _lanes(engine: LoadedEngine, count: int, *, cuda_graphs: bool) -> list[EngineLane]:
    """So many lanes; where one cannot be made, all that was opened is freed."""
    lanes = []
    with ExitStack() as opened:
        opened.callback(engine.close)
        for _ in range(count):
            lanes.append(EngineLane(engine, cuda_graphs=cuda_graphs))
            opened.callback(lanes[-1].close)
        opened.pop_all()
    return lanes


def _on_files(flavour: Flavour, files: ModelFiles) -> Runtime | None:
    """In a folder with a manifest, the files are verified before TensorRT reads them."""
    engine, path = files.engine, files.onnx.path.with_name(ENGINE_NAME)
    if engine is None or (engine.flavour or likely_flavour("auto").name) != flavour.name:
        return None
    if not engine.built:
        return AbsentRuntime(flavour.name, f"no engine: {engine.reason}")
    if engine.weights_stripped:
        return AbsentRuntime(flavour.name, _STRIPPED)
    if path.with_name(MANIFEST_NAME).exists():
        return TensorRTRuntime.from_folder(path.parent, cuda_graphs=files.cuda_graphs)
    library = path.with_name(TRT_LIBRARY_NAME)
    return TensorRTRuntime(
        path,
        engine,
        plugin_library=library,
        first=files.onnx.inputs[0].name,
        cuda_graphs=files.cuda_graphs,
    )


def _folder_status(flavour: Flavour, serving: Serving) -> RuntimeStatus:
    engine = serving.manifest.engine
    reason = engine.fits(flavour=flavour.name)
    if reason is not None or engine.weights_stripped:
        return RuntimeStatus(False, reason or _STRIPPED)
    return TensorRTRuntime.from_folder(serving.folder).status()


def _open_folder(flavour: Flavour, serving: Serving) -> ServedModel:
    facts = serving.manifest.engine
    reason = facts.fits(flavour=flavour.name)
    if facts.built and reason is not None:
        asked = "rtx" if flavour.is_rtx else "tensorrt"
        raise IntegrityError(
            reason,
            hint=f"use runtime='auto', or build one with `vmamba-deploy build --trt {asked}`",
        )
    engine = TensorRTRuntime.from_folder(serving.folder).load()
    lanes = _lanes(engine, serving.streams, cuda_graphs=serving.cuda_graphs)
    batches = engine.smallest[0], engine.largest[0]
    return ServedModel(flavour.name, lanes, batches, fixed=True, release=engine.close)


def _abilities(flavour: Flavour) -> list[Ability]:
    search, remedy = find_gpus(), "" if flavour.installed else flavour.install_hint
    return [
        Ability(f"{flavour.title}: build", flavour.can_build_here(search), remedy),
        Ability(f"{flavour.title}: run", flavour.can_run_here(search), remedy),
    ]


def _kind(flavour: Flavour, choice: str) -> RuntimeKind:
    return RuntimeKind(
        flavour.name,
        partial(_on_files, flavour),
        Service(
            choice, partial(_folder_status, flavour), partial(_open_folder, flavour), needs_gpu=True
        ),
        abilities=partial(_abilities, flavour),
        title=flavour.title,
        executes="engine",
    )


TENSORRT_ENGINE = _kind(TENSORRT, "trt")
TENSORRT_RTX_ENGINE = _kind(TENSORRT_RTX, "rtx")
