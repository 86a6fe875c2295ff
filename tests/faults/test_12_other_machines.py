"""Engines for another TensorRT, GPU or machine: told before a byte of them is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.rewriting import rewrite
from tests.faults.asking import ask
from tests.faults.conftest import FACTS, VERSION, Refuses
from vmamba_deploy.artifacts.manifest import ENGINE_NAME, TRT_LIBRARY_NAME
from vmamba_deploy.errors import ExitCode, IntegrityError
from vmamba_deploy.inference import load
from vmamba_deploy.runtimes.cuda_driver import Gpu, GpuSearch
from vmamba_deploy.runtimes.tensorrt import run
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour


class Deserialised(Exception):  # noqa: N818 - an event, not an error
    """TensorRT was asked for."""


@pytest.fixture
def ada(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with TensorRT-RTX and an RTX 4090, on which nothing may get as far as TensorRT."""
    here = GpuSearch((Gpu(0, "RTX 4090", (8, 9)),), "1 GPU")

    def module(_self: Flavour) -> None:
        raise Deserialised

    monkeypatch.setattr(run, "find_gpus", lambda: here)
    monkeypatch.setattr(Flavour, "installed", property(lambda self: self.is_rtx))
    monkeypatch.setattr(Flavour, "version", property(lambda self: VERSION))
    monkeypatch.setattr(Flavour, "module", module)


OTHERS: dict[str, tuple[dict[str, Any], ExitCode, str]] = {
    "an older release": ({"version": "1.6.0.1"}, ExitCode.ENVIRONMENT, "built by tensorrt_rtx 1.6"),
    "a later patch": ({"version": "1.7.1.117"}, ExitCode.ENVIRONMENT, "this machine has 1.7.1.116"),
    "a later one that is compatible with later ones": (
        {"version": "2.0.0.0", "version_compatible": True}, ExitCode.ENVIRONMENT, "2.0.0.0",
    ),
    "another GPU": ({"compute_capabilities": ["12.0"]}, ExitCode.ENVIRONMENT, "capability 12.0"),
    "newer GPUs": (
        {"compute_capabilities": ["12.0", "12.1"], "hardware_compatible": True},
        ExitCode.ENVIRONMENT,
        "this one has 8.9",
    ),
    "a capability that only begins alike": (
        {"compute_capabilities": ["8"]}, ExitCode.ENVIRONMENT, "this one has 8.9",
    ),
    "the other flavour": (
        {"flavour": "tensorrt"}, ExitCode.INTEGRITY, "for tensorrt, not tensorrt_rtx",
    ),
    "nobody, its weights are stripped": ({"weights_stripped": True}, ExitCode.USAGE, "no weights"),
    "nobody, it was not built": (
        {"built": False, "reason": "no TensorRT there"}, ExitCode.INTEGRITY, "no TensorRT there",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("other", list(OTHERS))
def test_an_engine_for_another_machine(
    refuses: Refuses, engine_folder: Path, image: Path, other: str
) -> None:
    changes, code, words = OTHERS[other]
    rewrite(engine_folder, engine=FACTS | changes)
    asked = ["predict", engine_folder, image, "--runtime", "rtx"]
    refuses(asked, code, words)


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("other", list(OTHERS))
def test_auto_runs_elsewhere_and_says_where(engine_folder: Path, image: Path, other: str) -> None:
    rewrite(engine_folder, engine=FACTS | OTHERS[other][0])
    answer = ask("predict", engine_folder, image)
    assert answer.code == ExitCode.OK
    assert "Predictions (onnxruntime)" in answer.out


@pytest.mark.usefixtures("ada")
def test_the_engine_of_this_machine_gets_as_far_as_tensorrt(engine_folder: Path) -> None:
    """Without it the refusals above could come of anything."""
    with pytest.raises(Deserialised):
        load(engine_folder, runtime="rtx")


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize("name", [ENGINE_NAME, TRT_LIBRARY_NAME])
def test_an_engine_and_its_plugin_are_compared_in_any_case(
    engine_folder: Path, name: str, verify: bool
) -> None:
    content = bytearray((engine_folder / name).read_bytes())
    content[-1] ^= 1
    (engine_folder / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"{name} has sha256"):
        load(engine_folder, runtime="rtx", verify=verify)


HOPPER = GpuSearch((Gpu(0, "H100", (9, 0)),), "1 GPU")


@pytest.mark.usefixtures("ada")
@pytest.mark.parametrize(
    ("search", "words"),
    [(GpuSearch((), "no driver"), "needs an NVIDIA GPU: no driver"), (HOPPER, "refuses compute")],
    ids=["no GPU", "Hopper"],
)
def test_a_machine_that_runs_no_engine(
    refuses: Refuses, monkeypatch: pytest.MonkeyPatch, engine_folder: Path, image: Path,
    search: GpuSearch, words: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(run, "find_gpus", lambda: search)
    asked = ["predict", engine_folder, image, "--runtime", "rtx"]
    refuses(asked, ExitCode.ENVIRONMENT, words)
