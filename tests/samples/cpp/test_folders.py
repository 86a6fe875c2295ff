"""Manifests: the C++ reader refuses what the Python one refuses, in the same words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.artifacts.bad_manifests import GOOD_ONES, ROWS, bad_manifest
from tests.samples.cpp.folders import changed
from tests.samples.cpp.programs import program
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import IntegrityError, VmambaError


def check(checks: Path, *folders: Path) -> list[str]:
    """What the sanitised program says of each."""
    done = subprocess.run(
        [checks / "check_folders", *folders],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.splitlines()


def test_an_engine_runs_where_pythons_table_says(checks: Path) -> None:
    table = Path(__file__).parents[2] / "data" / "engine_fits.json"
    done = program(checks / "judge_engines")(table)
    assert done.code == 0, done.err
    reasons = [row["reason"] or "" for row in json.loads(table.read_text())]
    assert done.out.split("\n")[:-1] == reasons


def in_pythons_words(folder: Path) -> str:
    try:
        verify(folder)
    except VmambaError as error:
        return f"{int(error.exit_code)} {error.message} | {error.hint or ''}"
    return "ok"


@pytest.fixture(scope="module")
def light(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder with short files in place of the real ones."""
    folder = tmp_path_factory.mktemp("light") / "folder"
    folder.mkdir()
    shutil.copy(exported / "manifest.json", folder)
    for name in json.loads((folder / "manifest.json").read_text())["files"]:
        (folder / name).write_bytes(name.encode())
    return changed(folder, folder.with_name("ready"))


def _fail(manifest: dict[str, Any]) -> None:
    manifest |= {"status": "failed", "status_reason": "parity"}


def _other_sha(manifest: dict[str, Any]) -> None:
    manifest["files"]["model.onnx"]["sha256"] = "0" * 64


def _other_size(manifest: dict[str, Any]) -> None:
    manifest["files"]["model.onnx"]["size_bytes"] += 1


def _absent_file(manifest: dict[str, Any]) -> None:
    manifest["files"]["weights.bin"] = manifest["files"]["model.onnx"]


def _outside(manifest: dict[str, Any]) -> None:
    manifest["files"]["../outside"] = manifest["files"]["model.onnx"]


def _newer_schema(manifest: dict[str, Any]) -> None:
    manifest["schema_version"] = 2


@pytest.mark.parametrize(
    "edit",
    [_fail, _other_sha, _other_size, _absent_file, _outside, _newer_schema, lambda manifest: None],
)
def test_the_words_are_pythons(
    checks: Path, light: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], None]
) -> None:
    folder = changed(light, tmp_path / "changed", edit)
    assert check(checks, folder) == [in_pythons_words(folder)]


def test_a_folder_without_manifest_is_told(checks: Path, tmp_path: Path) -> None:
    assert check(checks, tmp_path) == [in_pythons_words(tmp_path)]


def _of_a_users_network(manifest: dict[str, Any]) -> None:
    manifest |= {"task": "custom", "preprocessing": None}
    kinds = {output["name"]: "map" for output in manifest["onnx"]["outputs"]}
    manifest["interface"] = {"network": "net.py:build", "kinds": kinds, "axes": {"batch": 1}}


def test_a_users_network_is_refused_with_the_way_to_run_it(
    checks: Path, light: Path, tmp_path: Path
) -> None:
    folder = changed(light, tmp_path / "changed", _of_a_users_network)
    (said,) = check(checks, folder)
    assert said.startswith(f"2 {folder} is of a network of a user's")
    assert "libvmamba_ort.so" in said
    verify(folder)  # it is a folder as Python has them


def test_links_are_followed_and_their_content_is_compared(
    checks: Path, light: Path, tmp_path: Path
) -> None:
    """As in the caches of Hugging Face, Kubernetes volumes and DVC."""
    folder, blobs = tmp_path / "links", changed(light, tmp_path / "..data")
    folder.mkdir()
    for file in blobs.iterdir():
        (folder / file.name).symlink_to(Path("..") / "..data" / file.name)
    assert check(checks, folder) == ["ok"] == [in_pythons_words(folder)]
    (blobs / "model.onnx").write_bytes(b"MODEL.ONNX")
    (said,) = check(checks, folder)
    assert said == in_pythons_words(folder)
    assert "model.onnx has sha256" in said


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", "[" * 100_000, '{"schema_version": 1}', "\xff"]
)
def test_what_is_no_manifest_is_an_integrity_error(checks: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="latin-1")
    (said,) = check(checks, tmp_path)
    assert said.startswith("7 ")
    with pytest.raises(IntegrityError):
        verify(tmp_path)


def test_what_pythons_table_refuses_is_refused(checks: Path, tmp_path: Path) -> None:
    """The good manifests pass: then their files are missed."""
    texts = [*GOOD_ONES.values(), *map(bad_manifest, ROWS)]
    folders = [tmp_path / str(number) for number in range(len(texts))]
    for folder, text in zip(folders, texts, strict=True):
        folder.mkdir()
        (folder / "manifest.json").write_text(text)
    said = check(checks, *folders)
    good, answers = said[: len(GOOD_ONES)], said[len(GOOD_ONES) :]
    assert all("is missing from" in one for one in good)
    passed = [
        f"{why}: {said}"
        for why, said in zip(ROWS, answers, strict=True)
        if not said.startswith("7 ") or "is missing from" in said
    ]
    assert not passed


@pytest.mark.parametrize("name", ["manifest.json", "model.onnx"])
def test_a_pipe_is_refused_without_waiting(
    checks: Path, light: Path, tmp_path: Path, name: str
) -> None:
    folder = changed(light, tmp_path / "changed")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    (said,) = check(checks, folder)
    assert said.startswith("7 ")


def test_code_that_is_not_listed_is_refused_in_pythons_words(
    checks: Path, light: Path, tmp_path: Path
) -> None:
    folder = changed(light, tmp_path / "changed")
    (folder / "model.pt2").write_bytes(b"code")
    (said,) = check(checks, folder)
    assert said == in_pythons_words(folder)
    assert "model.pt2 lies in" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("specification", 4),
        ("interpolation", "bilinear"),
        ("crop_pixels", [0, 8]),
        ("crop_pixels", [1 << 40, 1 << 40]),
        ("resize_pixels", -1),
        ("mean", [0.5]),
        ("std", ["a", "b", "c"]),
        ("std", [0.2, 0.0, 0.2]),
        ("interpolation", "nearest"),
    ],
)
def test_another_preprocessing_is_refused(
    checks: Path, light: Path, tmp_path: Path, key: str, value: object
) -> None:
    folder = changed(
        light, tmp_path / "changed", lambda manifest: manifest["preprocessing"].update({key: value})
    )
    (said,) = check(checks, folder)
    assert said.startswith("7 ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@given(data=st.data())
def test_any_value_in_any_place_is_read_or_refused(
    checks: Path, light: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    manifest = json.loads((light / "manifest.json").read_text())
    place: Any = manifest
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        deeper = isinstance(place[key], dict | list) and place[key]
        if not deeper or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    folder = tmp_path_factory.mktemp("any")
    for name in ("model.onnx",):
        shutil.copy(light / name, folder)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (said,) = check(checks, folder)
    assert said == "ok" or said.startswith("7 ")
