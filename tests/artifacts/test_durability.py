"""What a power cut finds: names that appear only after their content has reached the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.artifacts.publishing import publish, visible
from vmamba_deploy.artifacts import rename
from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.artifacts.output_folder import open_output_folder
from vmamba_deploy.errors import ResourceError

Happened = list[tuple[str, str]]


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> Happened:
    """What was flushed and what got a name, in order, by the names at that time."""
    seen: Happened = []
    fsync = os.fsync

    def flush(descriptor: int) -> None:
        seen.append(("flushed", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def naming(function):
        def named(source, target):
            seen.append(("named", Path(target).name))
            return function(source, target)

        return named

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "replace", naming(Path.replace))
    monkeypatch.setattr(Path, "rename", naming(Path.rename))
    monkeypatch.setattr(rename, "exchange", naming(rename.exchange))
    return seen


def test_a_file_is_on_the_disk_before_its_name_and_the_name_before_the_end(tmp_path, happened):
    with atomic_write(tmp_path / "a.json") as temporary:
        temporary.write_text("x")
    assert happened == [
        ("flushed", temporary.name),
        ("named", "a.json"),
        ("flushed", tmp_path.name),
    ]


@pytest.mark.parametrize("kind", ["new", "exchanged", "renamed twice"])
def test_a_folder_is_on_the_disk_before_its_name(tmp_path, happened, monkeypatch, kind):
    if kind != "new":
        publish(tmp_path / "out", {"model.onnx": b"old"})
    if kind == "renamed twice":
        monkeypatch.setattr(rename, "exchange", lambda *_: False)
    happened.clear()
    publish(tmp_path / "out", {"model.onnx": b"new", "weights.bin": b"w"})
    appears = happened.index(("named", "out"))
    before = [name for what, name in happened[:appears] if what == "flushed"]
    assert {"model.onnx", "weights.bin", "manifest.json"} <= set(before)
    assert before[-1].endswith("-out")  # the folder that gets the name
    assert happened[-1] == ("flushed", tmp_path.name)
    assert visible(tmp_path) == ["out"]


def test_in_place_the_manifest_comes_last(tmp_path, happened, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    publish(tmp_path, {"model.onnx": b"old", "stale.txt": b"x"})
    happened.clear()
    publish(tmp_path, {"zeta.bin": b"z", "model.onnx": b"new"})
    last_flush = max(
        i for i, (what, name) in enumerate(happened) if name.endswith("-" + tmp_path.name)
    )
    moved = happened[last_flush + 1 :]
    assert moved == [
        *(("named", name) for name in ("model.onnx", "zeta.bin", "manifest.json")),
        ("flushed", tmp_path.name),
    ]
    assert visible(tmp_path) == ["manifest.json", "model.onnx", "zeta.bin"]


def test_space_is_asked_for_again_when_a_run_knows_what_it_writes(tmp_path):
    with open_output_folder(tmp_path / "out") as output:
        output.require_space(1)
        with pytest.raises(ResourceError, match="this run needs about"):
            output.require_space(1 << 62)
    assert visible(tmp_path) == []
