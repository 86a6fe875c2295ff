"""The archive for a machine with no network."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from benchmarks import gpu_kit
from vmamba_deploy.errors import EnvironmentProblem


@pytest.fixture
def with_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers as fetching would leave them, without a network."""
    folder = tmp_path / "headers"
    folder.mkdir()
    for name in ("NvInferRuntime.h", "onnxruntime_c_api.h", "unrelated.h"):
        (folder / name).write_text(f"// {name}\n")
    found = {pattern: (lambda: folder, below) for pattern, (_, below) in gpu_kit._HEADERS.items()}
    monkeypatch.setattr(gpu_kit, "_HEADERS", found)


@pytest.mark.usefixtures("with_headers")
def test_it_has_the_sources_and_the_headers_where_they_are_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "kit.tar.gz"
    names = gpu_kit.write_kit(path)
    with tarfile.open(path) as archive:
        assert archive.getnames() == names
        archive.extractall(tmp_path / "there", filter="data")
    root = tmp_path / "there" / gpu_kit.TOP
    for name in ("Makefile", "benchmarks/gpu_check/__main__.py", "plugins/CMakeLists.txt"):
        assert (root / name).read_bytes() == (gpu_kit.ROOT / name).read_bytes()
    toolchain = root / "build/toolchain"
    headers = {file.relative_to(toolchain).as_posix() for file in toolchain.rglob("*.h")}
    assert headers == {
        "tensorrt/kernel_lens/include/tensorrt/NvInferRuntime.h",
        "onnxruntime-header/onnxruntime_c_api.h",
    }


@pytest.mark.usefixtures("with_headers")
def test_outside_of_a_checkout_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_kit, "ROOT", tmp_path)
    with pytest.raises(EnvironmentProblem, match="is not a git checkout"):
        gpu_kit.write_kit(tmp_path / "kit.tar.gz")
    assert not list(tmp_path.glob("*kit*"))
