"""Lanes over the real cuda-python, on a driver of the test's; run in a process of its own."""

from __future__ import annotations

import ctypes
import gc
import sys

import numpy as np

from tests.runtimes.tensorrt import host_device as host
from vmamba_deploy.errors import ResourceError, VmambaError
from vmamba_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from vmamba_deploy.runtimes.tensorrt.lane import EngineLane, LoadedEngine

driver = ctypes.CDLL("libcuda.so.1")
BATCHES = (6, 1, 1, 1, 1, 3, 1, 3, 3, 3, 6, 6, 6, 2, 2)


class Context(host.Context):
    """Puts its network on the driver's streams."""

    def execute_async_v3(self, handle):
        batch, values = self.shape[0], int(np.prod(self.shape[1:]))
        addresses = [ctypes.c_void_p(self.addresses[name]) for name in ("pixel_values", "logits")]
        driver.fake_network(ctypes.c_void_p(handle), *addresses, batch, values)
        return True


class Engine(host.Engine):
    """As its base, on the driver's streams."""

    def create_execution_context(self, *config):
        return Context(self)


def check(lane, batch):
    pixels = np.random.default_rng().standard_normal((batch, 3, 4, 5), dtype=np.float32)
    flat = pixels.reshape(batch, -1)
    expected = np.stack([flat.sum(1), flat.max(1)], axis=1)
    np.testing.assert_allclose(lane(pixels)["logits"], expected, rtol=1e-4, atol=1e-4)


def main():
    """Every order of shapes, with graphs and without; then nothing may be left."""
    device = CudaDevice()
    try:
        device.allocate(1 << 40, device.create_stream())
    except ResourceError as problem:
        sys.stdout.write(f"full: {problem.message}\n")
    gc.collect()
    before = driver.fake_live()
    for cuda_graphs in (False, True):
        engine = LoadedEngine(host.TensorRT, None, Engine(), device)
        lanes = [EngineLane(engine, cuda_graphs=cuda_graphs) for _ in range(2)]
        for batch in BATCHES:
            for lane in lanes:
                check(lane, batch)
        for lane in lanes:
            lane.close()
        engine.close()
    try:
        lanes[0](np.zeros((1, 3, 4, 5), np.float32))
    except VmambaError as problem:
        sys.stdout.write(f"closed: {problem.message}\n")
    gc.collect()
    sys.stdout.write(f"left: {driver.fake_live() - before}\n")


if __name__ == "__main__":
    main()
