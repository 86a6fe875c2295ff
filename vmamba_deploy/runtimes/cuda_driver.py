"""The GPUs of this machine, asked of the CUDA driver itself: no torch, no CUDA runtime."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_DRIVER_LIBRARY = "libcuda.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_NAME_BYTES = 256


@dataclass(frozen=True)
class Gpu:
    """One device: its index in CUDA's order, name, and compute capability (major, minor)."""

    index: int
    name: str
    compute_capability: tuple[int, int]

    def __str__(self) -> str:
        major, minor = self.compute_capability
        return f"{self.name} (compute capability {major}.{minor})"


@dataclass(frozen=True)
class GpuSearch:
    """What was found: `gpus` in CUDA's order, and in one sentence why there are none."""

    gpus: tuple[Gpu, ...]
    reason: str

    @property
    def first(self) -> Gpu | None:
        """The device that the runtimes use: CUDA's device 0."""
        return self.gpus[0] if self.gpus else None


def find_gpus() -> GpuSearch:
    """Ask the driver; never raises, for a machine without a GPU is an ordinary one."""
    try:
        driver = ctypes.CDLL(_DRIVER_LIBRARY)
    except OSError as error:
        absent = "is not found" if "No such file" in str(error) else str(error)
        return GpuSearch((), f"no NVIDIA driver here ({_DRIVER_LIBRARY} {absent})")
    try:
        return _ask(driver)
    except AttributeError as error:  # ctypes' for a function that is not there
        return GpuSearch((), f"{_DRIVER_LIBRARY} is no NVIDIA driver that CUDA can use: {error}")


def _ask(driver: ctypes.CDLL) -> GpuSearch:
    code = driver.cuInit(0)
    if code != 0:
        return GpuSearch((), f"the NVIDIA driver finds no usable GPU ({_error_name(driver, code)})")
    count = ctypes.c_int()
    code = driver.cuDeviceGetCount(ctypes.byref(count))
    if code != 0 or count.value == 0:
        return GpuSearch((), "the NVIDIA driver shows no GPU to this process")
    gpus = tuple(_describe(driver, index) for index in range(count.value))
    return GpuSearch(gpus, f"{len(gpus)} GPU(s), the first is {gpus[0]}")


def _describe(driver: ctypes.CDLL, index: int) -> Gpu:
    device = ctypes.c_int()
    driver.cuDeviceGet(ctypes.byref(device), index)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    driver.cuDeviceGetName(name, _NAME_BYTES, device)
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        capability.append(value.value)
    return Gpu(index, name.value.decode(errors="replace"), (capability[0], capability[1]))


def _error_name(driver: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    named = hasattr(driver, "cuGetErrorName") and driver.cuGetErrorName(code, ctypes.byref(text))
    if named == 0 and text.value:
        return text.value.decode()
    return f"error {code}"
