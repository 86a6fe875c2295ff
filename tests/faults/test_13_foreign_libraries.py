"""Libraries of another machine, of another age, cut short, or not ours: told, and never run."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.artifacts.rewriting import rewrite
from tests.faults.asking import ask
from tests.faults.conftest import Refuses
from vmamba_deploy import native
from vmamba_deploy.artifacts.manifest import ORT_LIBRARY_NAME
from vmamba_deploy.errors import EnvironmentProblem, ExitCode
from vmamba_deploy.inference import load_classifier

X86, ARM, MACHINE_AT, CLASS_AT, KIND_AT = 62, 183, 18, 4, 16


def cut(part: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * part)]


def byte(place: int, value: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:place] + bytes([value]) + content[place + 1 :]


def other_machine(content: bytes) -> bytes:
    return byte(MACHINE_AT, ARM if content[MACHINE_AT] == X86 else X86)(content)


FOREIGN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is not a shared library"),
    "a text": (lambda _: b"#!/bin/sh\n" * 99, "is not a shared library"),
    "a linker script": (lambda _: b"INPUT(-lvmamba)" + bytes(99), "is not a shared library"),
    "a header alone": (cut(0.00001), "is not a shared library"),
    "half": (cut(0.5), "was cut short"),
    "most": (cut(0.9), "was cut short"),
    "cut in its table": (lambda content: content[:100], "was cut short"),
    "with its table beyond all files": (
        lambda content: content[:32] + b"\xff" * 8 + content[40:], "was cut short",
    ),
    "another machine": (other_machine, "is made for"),
    "an unknown machine": (byte(MACHINE_AT, 250), "the machine of ELF number 250"),
    "32 bits": (byte(CLASS_AT, 1), "of 64 bits"),
    "big-endian": (byte(5, 2), "of 64 bits"),
    "a program": (byte(KIND_AT, 2), "is not a shared library"),
    "Windows": (lambda content: b"MZ" + content[2:], "of 64 bits"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(FOREIGN))
def test_a_library_that_cannot_be_loaded(
    refuses: Refuses, copied: Path, image: Path, kind: str
) -> None:
    """Its manifest vouches for it: it was packed as it is, or beside an ONNX file alone."""
    damage, words = FOREIGN[kind]
    library = copied / ORT_LIBRARY_NAME
    library.write_bytes(damage(library.read_bytes()))
    rewrite(copied)
    asked = ["predict", copied, image, "--runtime", "ort"]
    refuses(asked, ExitCode.ENVIRONMENT, ORT_LIBRARY_NAME, words)


def compile_library(path: Path, source: str) -> None:
    code = path.with_suffix(".c")
    code.write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", path, code], check=True)
    code.unlink()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("int unrelated;", "RegisterCustomOps"),
        ("extern int of_nobody(void); int f(void) { return of_nobody(); }", ORT_LIBRARY_NAME),
    ],
    ids=["another library", "one that lacks a symbol"],
)
def test_a_library_that_is_not_ours(
    refuses: Refuses, copied: Path, image: Path, source: str, words: str
) -> None:
    compile_library(copied / ORT_LIBRARY_NAME, source)
    rewrite(copied)
    asked = ["predict", copied, image, "--runtime", "ort"]
    refuses(asked, ExitCode.ENVIRONMENT, "cannot use", words)


CANARY = """
#include <fcntl.h>
__attribute__((constructor)) static void run(void) { creat("%s", 0600); }
"""


@pytest.mark.parametrize("command", ["predict", "info", "compare", "bench", "evaluate"])
def test_a_changed_library_is_refused_before_it_runs(
    refuses: Refuses, tmp_path: Path, copied: Path, image: Path, command: str
) -> None:
    canary = tmp_path / "canary"
    compile_library(copied / ORT_LIBRARY_NAME, CANARY % canary)
    asked: dict[str, list[object]] = {
        "predict": [copied, image],
        "evaluate": [copied, "--data", image.parents[1], "-o", tmp_path / "out"],
    }
    arguments = [command, *asked.get(command, [copied])]
    refuses(arguments, ExitCode.INTEGRITY, ORT_LIBRARY_NAME, "the manifest says")
    assert not canary.exists()
    ctypes.CDLL(str(copied / ORT_LIBRARY_NAME))
    assert canary.exists()  # it would have been seen


@pytest.mark.parametrize("name", ["vmamba_cpu", "vmamba_ort", "vmamba_torch"])
@pytest.mark.parametrize("folder", ["absent", "empty", "", "a file"])
def test_a_folder_of_built_libraries_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, folder: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").touch()
    monkeypatch.setenv("VMAMBA_NATIVE_DIR", str(tmp_path / folder))
    with pytest.raises(EnvironmentProblem, match=f"has no lib{name}.so"):
        native.library_path(name)
    assert ask("doctor").code in (ExitCode.OK, ExitCode.ENVIRONMENT)


def test_a_prebuilt_library_that_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = native.library_path("vmamba_ort").read_bytes()
    (tmp_path / ORT_LIBRARY_NAME).write_bytes(whole[: len(whole) // 2])
    monkeypatch.setenv("VMAMBA_NATIVE_DIR", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="was cut short"):
        native.check_loadable(native.library_path("vmamba_ort"))


def test_without_its_library_the_file_runs_and_is_right(
    artifact: Path, copied: Path, images: list[Path]
) -> None:
    (copied / ORT_LIBRARY_NAME).unlink()
    rewrite(copied)
    with (
        load_classifier(artifact, runtime="ort", streams=1) as library,
        load_classifier(copied, runtime="ort", streams=1) as body,
    ):
        assert [best[0].label for best in body.classify(images)] == [
            best[0].label for best in library.classify(images)
        ]


def test_a_whole_library_is_loadable(tmp_path: Path) -> None:
    whole = native.library_path("vmamba_ort")
    native.check_loadable(whole)
    (tmp_path / "link.so").symlink_to(whole)
    native.check_loadable(tmp_path / "link.so")
    shutil.copyfile(whole, tmp_path / "copy.so")
    native.check_loadable(tmp_path / "copy.so")
