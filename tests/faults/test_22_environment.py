"""Variables that steer libraries: the answer stays the same, or the refusal says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.test_20_surroundings import run

POISON: dict[str, dict[str, str]] = {
    "no GPU is visible": {"CUDA_VISIBLE_DEVICES": ""},
    "GPUs that are none": {"CUDA_VISIBLE_DEVICES": "-1,99,nonsense", "NVIDIA_VISIBLE_DEVICES": "x"},
    "TF32 for everything": {"NVIDIA_TF32_OVERRIDE": "1", "CUDA_LAUNCH_BLOCKING": "nonsense"},
    "ONNX Runtime's own": {
        "ORT_DISABLE_ALL_OPTIMIZATION": "1", "ORT_TENSORRT_FP16_ENABLE": "1",
        "ORT_LOG_LEVEL": "nonsense", "ORT_LOAD_CONFIG_FROM_MODEL": "1", "ORT_NUM_THREADS": "-3",
    },
    "threads": {"OMP_NUM_THREADS": "nonsense", "MKL_NUM_THREADS": "-1", "VMAMBA_NUM_THREADS": "x"},
    "many threads": {"OMP_NUM_THREADS": "100000", "VMAMBA_NUM_THREADS": "99999999999999999999"},
    "no checks": {"PYTHONOPTIMIZE": "2"},
    "warnings are errors": {"PYTHONWARNINGS": "error"},
    "a library that is not there": {"LD_PRELOAD": "/nowhere/lib.so", "LD_LIBRARY_PATH": "/nowhere"},
    "colours": {"FORCE_COLOR": "0", "NO_COLOR": "1", "CLICOLOR_FORCE": "0"},
    "ours": {"VMAMBA_ARCHS": "nonsense", "VMAMBA_ALLOW_DOWNLOADS": "maybe", "CXX": "/nowhere"},
    "Python's": {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"},
}  # fmt: skip

SHARE = re.compile(rb"(\d+\.\d\d)%")


@pytest.fixture(scope="module")
def expected(artifact: Path, images: list[Path]) -> list[bytes]:
    ended = run("predict", artifact, images[0], "--runtime", "ort")
    return SHARE.findall(ended.stdout)


@pytest.mark.parametrize("what", list(POISON))
def test_a_prediction_is_the_same(
    artifact: Path, images: list[Path], expected: list[bytes], what: str
) -> None:
    asked = ["predict", artifact, images[0], "--runtime", "ort"]
    ended = run(*asked, env=POISON[what])
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr
    assert SHARE.findall(ended.stdout) == expected
    assert len(expected) == 5


@pytest.mark.parametrize("name", ["torch", "numpy", "vmamba_deploy", "onnxruntime", "PIL", "click"])
def test_modules_beside_the_data_are_not_imported(
    tmp_path: Path, copied: Path, image: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Only Python's own path counts, not the folder of an artefact or of an image."""
    canary = tmp_path / "canary"
    (copied / f"{name}.py").write_text(f"open({str(canary)!r}, 'w')")
    ended = run("predict", copied, image, "--runtime", "ort")
    assert ended.returncode == 0, ended.stderr
    assert not canary.exists()


def test_a_path_of_broken_modules_is_told(tmp_path: Path, artifact: Path, image: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise RuntimeError('poisoned')")
    asked = ["predict", artifact, image, "--runtime", "ort"]
    ended = run(*asked, env={"PYTHONPATH": str(tmp_path)})
    assert ended.returncode == 4, ended.stderr
    assert b"error: the Python module onnxruntime cannot be imported: poisoned" in ended.stderr
