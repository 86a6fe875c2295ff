"""A TensorRT or a GPU that fails at any call: one error of ours, and the next call is as before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.faults.asking import listing
from tests.faults.fake_tensorrt import TensorRT
from tests.runtimes.tensorrt import host_device as host
from tests.runtimes.tensorrt.test_run import FACTS
from vmamba_deploy.errors import (
    BuildError,
    EnvironmentProblem,
    IntegrityError,
    ResourceError,
    VmambaError,
)
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.inference.lanes import LanePool
from vmamba_deploy.runtimes.cuda_driver import Gpu, GpuSearch
from vmamba_deploy.runtimes.tensorrt import run
from vmamba_deploy.runtimes.tensorrt.build import build_engine
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour
from vmamba_deploy.runtimes.tensorrt.lane import EngineLane, LoadedEngine
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime

PROFILE = ((1, 3, 32, 32), (8, 3, 32, 32), (32, 3, 32, 32))


def raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def build(
    monkeypatch: pytest.MonkeyPatch, artifact: Path, tmp_path: Path, trt: TensorRT
) -> VmambaError:
    """The error of a build of the digits model over an older engine, which must stay."""
    monkeypatch.setattr(Flavour, "module", lambda _self: trt)
    monkeypatch.setattr(Flavour, "installed", property(lambda self: self.is_rtx))
    (tmp_path / "libvmamba_trt.so").write_bytes(b"a plugin")
    (tmp_path / "model.engine").write_bytes(b"older")
    before = listing(tmp_path)
    with pytest.raises(VmambaError) as told:
        build_engine(
            EnginePlan("rtx"), OnnxModel.read(artifact / "model.onnx"), tmp_path / "model.engine",
            profile=PROFILE, plugin_library=tmp_path / "libvmamba_trt.so",
        )  # fmt: skip
    assert listing(tmp_path) == before
    return told.value


BUILDS: dict[str, tuple[dict[str, Any], str]] = {
    "it does not start": ({"starts": False}, "cannot start"),
    "it does not parse": ({"parses": False}, "cannot parse"),
    "a scan becomes no plugin": ({"layers": 3}, "but 3 became its plugin"),
    "it builds nothing": ({}, "no reason given"),
    "it runs out of memory": ({"build": raising(MemoryError("bad alloc"))}, "bad alloc"),
    "it raises": ({"build": raising(RuntimeError("internal\x1b[2J"))}, "internal"),
}


@pytest.mark.parametrize("how", list(BUILDS))
def test_a_builder_that_fails(
    monkeypatch: pytest.MonkeyPatch, artifact: Path, tmp_path: Path, how: str
) -> None:
    options, words = BUILDS[how]
    error = build(monkeypatch, artifact, tmp_path, TensorRT(**options))
    assert isinstance(error, BuildError | ResourceError)
    assert words in error.message
    assert all(line.isprintable() for line in error.message.splitlines())


HERE = GpuSearch((Gpu(0, "RTX 4090", (8, 9)),), "1 GPU")


@pytest.mark.parametrize(
    "deserialise", [lambda: None, raising(RuntimeError("bad plan"))], ids=["nothing", "raises"]
)
def test_an_engine_that_tensorrt_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, deserialise: Callable[[], Any]
) -> None:
    monkeypatch.setattr(run, "find_gpus", lambda: HERE)
    monkeypatch.setattr(run, "CudaDevice", host.HostDevice)
    monkeypatch.setattr(Flavour, "module", lambda _self: TensorRT(deserialise=deserialise))
    monkeypatch.setattr(Flavour, "installed", property(lambda self: True))
    monkeypatch.setattr(Flavour, "version", property(lambda self: FACTS.version))
    engine, plugin = tmp_path / "model.engine", tmp_path / "libvmamba_trt.so"
    engine.write_bytes(b"an engine")
    plugin.write_bytes(b"a plugin")
    with pytest.raises(IntegrityError, match=r"refuses .*model\.engine"):
        TensorRTRuntime(engine, FACTS, plugin_library=plugin).load()


class Failing(host.HostDevice):
    """Fails at the n-th call of one of its methods."""

    def __init__(self, method: str, call: int, error: VmambaError) -> None:
        super().__init__()
        self.left, working = call, getattr(self, method)

        def once(*arguments: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise error
            return working(*arguments)

        setattr(self, method, once)


def images(batch: int) -> Any:
    return np.random.default_rng().standard_normal((batch, 3, 4, 5), dtype=np.float32)


FULL = ResourceError("CUDA could not allocate: OUT_OF_MEMORY")
GONE = EnvironmentProblem("CUDA could not run the engine: the device is lost")


@pytest.mark.parametrize("cuda_graphs", [False, True])
@pytest.mark.parametrize("call", [1, 2, 3, 5])
@pytest.mark.parametrize("method", ["copy", "wait", "capture"])
def test_a_call_that_the_gpu_fails(method: str, call: int, cuda_graphs: bool) -> None:
    device = Failing(method, call, GONE)
    engine = LoadedEngine(host.TensorRT, None, host.Engine(), device)
    pool, failures = LanePool([EngineLane(engine, cuda_graphs=cuda_graphs)]), 0
    for batch in (2, 2, 2, 3, 3, 3, 2):
        pixels = images(batch)
        try:
            with pool.take() as lane:
                got = lane(pixels)["logits"]
        except EnvironmentProblem:
            failures += 1
            continue
        flat = pixels.reshape(batch, -1)
        expected = np.stack([flat.sum(1), flat.max(1)], axis=1)
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    assert failures == (device.left <= 0)
    pool.close()
    assert all(memory.closed for memory in device.memory)


@pytest.mark.parametrize(
    ("method", "call"),
    [("create_stream", 1), *((name, n) for name in ("allocate", "allocate_host") for n in (1, 2))],
)
def test_a_lane_that_does_not_fit_gives_back_what_it_had(method: str, call: int) -> None:
    device = Failing(method, call, FULL)
    engine = LoadedEngine(host.TensorRT, None, host.Engine(), device)
    with pytest.raises(ResourceError, match="OUT_OF_MEMORY"):
        EngineLane(engine)
    assert all(memory.closed for memory in device.memory)


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_an_engine_without_room_for_a_context(cuda_graphs: bool) -> None:
    class NoContext(host.Engine):
        def create_execution_context(self, *_config: Any) -> Any:
            return None

    engine = LoadedEngine(host.TensorRT, None, NoContext(), host.HostDevice())
    with pytest.raises(ResourceError, match="execution context"):
        EngineLane(engine, cuda_graphs=cuda_graphs)


def test_an_enqueue_that_fails_is_told_and_the_next_works() -> None:
    engine = LoadedEngine(host.TensorRT, None, host.Engine(), host.HostDevice())
    lane = EngineLane(engine)
    for broken in (True, False, True, True, False):
        engine._engine.broken = broken
        pixels = images(2)
        if broken:
            with pytest.raises(BuildError, match="could not execute"):
                lane(pixels)
        else:
            np.testing.assert_allclose(
                lane(pixels)["logits"][:, 1], pixels.reshape(2, -1).max(1), rtol=1e-6
            )
