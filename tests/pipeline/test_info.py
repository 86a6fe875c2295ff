"""`info`: what is in front of a user, told without running it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmamba_deploy.errors import InputFileError, IntegrityError
from vmamba_deploy.pipeline.info import describe_path

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def artifact(digits_artifact: Callable[..., Path]) -> Path:
    return digits_artifact("fp32", engine=False)


def test_a_folder_begins_with_its_verdict(artifact: Path) -> None:
    told = describe_path(artifact)
    verdict, files = ["status", "status_reason", "statement"], ["preset", "precision", "files"]
    assert [*told][:8] == ["kind", *verdict, "task", *files]
    assert told["status"] == "unproven"
    assert told["statement"].startswith("not compared with PyTorch; no TensorRT engine: ")
    assert told["files"].keys() >= {"model.onnx", "report.json"}


def test_a_library_of_ours_says_what_it_is_for(artifact: Path, tmp_path: Path) -> None:
    told = describe_path(artifact / "libvmamba_ort.so")
    assert told["kind"] == "ELF shared library"
    assert told["what"] == "of this project: custom ops for ONNX Runtime"
    assert told["release"].startswith("vmamba_deploy ")
    assert "vmamba::SelectiveScan2D version 1" in told["ops"]
    alone = tmp_path / "renamed.so"
    shutil.copy(artifact / "libvmamba_ort.so", alone)
    assert describe_path(alone)["what"] == told["what"]


def test_a_library_that_was_changed_is_refused(artifact: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(artifact, tmp_path / "copied")
    with (copied / "libvmamba_ort.so").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(IntegrityError, match="the manifest says"):
        describe_path(copied / "libvmamba_ort.so")


def test_what_is_not_ours_is_told_too(tmp_path: Path) -> None:
    program = describe_path(Path(sys.executable).resolve())
    assert (program["kind"], program["what"]) == ("ELF program", "not of this project")
    assert "ops" not in program
    for name, kind in (("README.md", "text"), ("docs/figures/op_times.svg", "an XML document")):
        assert describe_path(CHECKOUT / name)["kind"] == kind
    stub = tmp_path / "short.so"
    stub.write_bytes(b"\x7fELF")
    assert describe_path(stub)["machine"] == "not of 64 bits, little-endian"


def test_text_in_a_checkpoint_s_place_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "weights.pth"
    page.write_text("<!doctype html><html>404</html>")
    with pytest.raises(InputFileError, match="no checkpoint but an HTML page"):
        describe_path(page)
