"""A bad file is told as one by every command that takes it: never as a bug, never by waiting."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.artifacts.bad_manifests import GOOD
from vmamba_deploy.cli.app import main

NOT_A_PROTOBUF = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff"
DEEP = b"[" * 100_000


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 41)


MAKERS: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "empty": Path.touch,
    "noise": lambda path: path.write_bytes(secrets.token_bytes(3000)),
    "text": lambda path: path.write_text("hello\nworld\n"),
    "zeros": lambda path: path.write_bytes(bytes(10_000)),
    "no protobuf": lambda path: path.write_bytes(NOT_A_PROTOBUF),
    "deep": lambda path: path.write_bytes(DEEP),
    "no UTF-8": lambda path: path.write_bytes(b"path,label\n\xff\xfe\0,1\n"),
    "long field": lambda path: path.write_bytes(b"path,label\n" + b"a" * 200_000 + b",1\n"),
    "long number": lambda path: path.write_bytes(b"path,label\na.png," + b"1" * 5000 + b"\n"),
    "huge": _huge,
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a circle": lambda path: path.symlink_to(path.name),
}
FOLDERS: dict[str, Callable[[Path], object]] = {
    **{f"manifest: {name}": make for name, make in MAKERS.items()},
    "manifest of nothing": lambda path: path.write_text(GOOD),
}
COMMANDS: dict[str, list[str]] = {
    "info .onnx": ["info", "{}.onnx"],
    "info .engine": ["info", "{}.engine"],
    "info .pth": ["info", "{}.pth"],
    "info .safetensors": ["info", "{}.safetensors"],
    "compare": ["compare", "{}.onnx"],
    "bench": ["bench", "{}.onnx"],
    "build": ["build", "{}.onnx", "-o", "{out}"],
    "export": ["export", "--weights", "{}.pth", "--no-engine", "-o", "{out}"],
    "evaluate data": ["evaluate", "--data", "{}.csv", "{artifact}", "-o", "{out}"],
    "evaluate classes": [
        *("evaluate", "--data", "{digits}", "{artifact}", "-o", "{out}"),
        *("--classes", "{}.txt"),
    ],
    "predict": ["predict", "{artifact}", "{}.png", "--runtime", "ort"],
}
OF_FOLDERS: dict[str, list[str]] = {
    "info": ["info", "{folder}"],
    "compare": ["compare", "{folder}"],
    "bench": ["bench", "{folder}"],
    "build": ["build", "{folder}", "-o", "{out}"],
    "evaluate": ["evaluate", "--data", "{digits}", "{folder}", "-o", "{out}"],
    "predict": ["predict", "{folder}", "{image}"],
    "package": ["package", "--triton", "{out}", "{folder}"],
}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    told = f"{arguments}: {ended.value.code}\n{said.out}{said.err}"
    assert ended.value.code in (2, 3, 4, 7), told
    assert "error: " in said.err.casefold(), told


# Of an engine the content is never looked at.
_OF_ANY_CONTENT = {"absent", "huge", "a pipe", "a folder", "a device", "a circle"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind, name in itertools.product(MAKERS, COMMANDS)
        if name != "info .engine" or kind in _OF_ANY_CONTENT
    ],
)
def test_a_bad_file_is_refused(
    kind: str,
    name: str,
    tmp_path: Path,
    digits_artifact: Callable[..., Path],
    digits_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = next(Path(word) for word in COMMANDS[name] if word.startswith("{}"))
    MAKERS[kind](tmp_path / f"bad{bad.suffix}")
    places = {
        "artifact": digits_artifact("fp32"),
        "digits": digits_folder,
        "out": tmp_path / "out",
    }
    refused([word.format(tmp_path / "bad", **places) for word in COMMANDS[name]], capsys)


@pytest.mark.parametrize("name", OF_FOLDERS)
@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_with_a_bad_manifest_is_refused(
    kind: str, name: str, tmp_path: Path, digits_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "artefacts"
    folder.mkdir()
    FOLDERS[kind](folder / "manifest.json")
    places = {
        "folder": folder,
        "digits": digits_folder,
        "out": tmp_path / "out",
        "image": next(digits_folder.rglob("*.png")),
    }
    refused([word.format(**places) for word in OF_FOLDERS[name]], capsys)
