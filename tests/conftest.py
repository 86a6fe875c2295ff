"""What every test shares: the rule for tests that need a GPU, and quick hypothesis profiles."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vmamba_deploy.precisions import PrecisionName

# Workers and the programs that they start share the cores: a thread that waits keeps none busy.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A machine with a GPU may have PyTorch and pytest alone: the tests marked `gpu` need no more.
if importlib.util.find_spec("hypothesis"):
    from hypothesis import HealthCheck, settings

    for name, examples in (("default", 25), ("thorough", 1000)):
        settings.register_profile(
            name,
            deadline=None,
            max_examples=examples,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell's background job ignores Ctrl-C, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
_HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


def _missing_gpu() -> str | None:
    """Why tests marked `gpu` cannot run here; None when they can."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1) on this machine"
    count = ctypes.c_int()
    if cuda.cuInit(0) != 0 or cuda.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files that take long come first, so that no worker is left alone with one at the end.
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
    reason = _missing_gpu()
    if reason is None:
        return
    for item in items:
        if item.get_closest_marker("gpu"):  # a folder of that name is a keyword, too
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """A command line that ran within a test has let them go: the next one would end the worker."""
    yield
    for number, handler in _HANDLERS.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def digits_weights() -> Path:
    """The trained micro VMamba of samples/train_digits, safetensors with labels."""
    from tests.digits import WEIGHTS

    return WEIGHTS


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 450 test images as an ImageFolder tree of PNG files, `labels.csv` in it; do not write."""
    from tests.digits import write_digits

    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run, which all its workers share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def dense_artifact(run_folder: Path) -> Callable[..., Path]:
    """Artefact folder of a golden network for segmentation or detection; do not write to it.

    `dense_artifact("seg_v0")`, fp32, of free height and width, without an engine;
    `dense_artifact("seg_v0", "int8")` of one size and with an engine.
    """
    from tests.dense_golden import export_golden
    from tests.kept import kept

    def artifact(name: str, precision: PrecisionName = "fp32") -> Path:
        return kept(
            run_folder / "dense",
            [name, precision],
            lambda folder: export_golden(name, folder, precision),
        )

    return artifact


@pytest.fixture(scope="session")
def digits_artifact(run_folder: Path) -> Callable[..., Path]:
    """Artefact folder of the digits model: `digits_artifact("fp16")`; do not write to it.

    Takes what `tests.digits.export_digits` takes; equal requests share a folder.
    """
    from tests.digits import export_digits
    from tests.kept import kept

    def artifact(
        precision: PrecisionName = "fp32", *, preprocess: bool = False, engine: bool = True
    ) -> Path:
        def export(folder: Path) -> None:
            export_digits(folder, precision, preprocess=preprocess, engine=engine)

        return kept(run_folder / "digits", [precision, preprocess, engine], export)

    return artifact
