"""What `info` says of a folder that verifies, and who else could change its code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.artifacts.test_manifest import write_description
from vmamba_deploy.artifacts.remarks import changeable_by_anyone, remarks
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.pipeline.info import describe_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "folder"
    place.mkdir(mode=0o755)
    for name in ("model.onnx", "model.engine", "libvmamba_ort.so"):
        (place / name).write_bytes(name.encode())
        (place / name).chmod(0o644)
    write_description(place)
    return place


def test_of_a_sound_folder_nothing_is_said(folder: Path) -> None:
    assert remarks(folder, verify(folder)) == []
    assert "remarks" not in describe_path(folder)


def test_files_that_are_not_listed_are_named_escaped(folder: Path) -> None:
    (folder / "notes\x1b.txt").touch()
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "pipe").symlink_to("nowhere")
    assert remarks(folder, verify(folder)) == [
        ".hidden/pipe is not listed in the manifest; nothing reads it",
        "notes\\x1b.txt is not listed in the manifest; nothing reads it",
    ]
    assert len(describe_path(folder)["remarks"]) == 2


def test_a_second_name_of_code_is_named(folder: Path) -> None:
    os.link(folder / "model.engine", folder.parent / "elsewhere")
    os.link(folder / "model.onnx", folder.parent / "else")  # which is no code
    assert [said.split(" has ")[0] for said in remarks(folder, verify(folder))] == ["model.engine"]


@pytest.mark.parametrize(
    ("place", "mode", "said"),
    [
        ("libvmamba_ort.so", 0o646, ["can change"]),
        ("model.engine", 0o666, ["can change"]),
        ("model.onnx", 0o666, []),
        (".", 0o777, ["can replace"]),
        (".", 0o1777, []),  # sticky: each user can replace only files of their own
        (".", 0o775, []),
    ],
)
def test_code_that_anyone_could_change_is_named(
    folder: Path, place: str, mode: int, said: list[str]
) -> None:
    (folder / place).chmod(mode)
    found = changeable_by_anyone(folder, verify(folder))
    assert len(found) == len(said)
    assert all(part in whole for part, whole in zip(said, found, strict=True))
