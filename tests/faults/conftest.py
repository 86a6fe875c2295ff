"""Folders, images and the question that every file here asks."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.artifacts.rewriting import rewrite
from tests.faults.asking import Answer, ask, assert_refused, listing
from vmamba_deploy.artifacts.manifest import ENGINE_NAME, TRT_LIBRARY_NAME
from vmamba_deploy.errors import ExitCode

VERSION = "1.7.1.116"
FACTS: dict[str, Any] = {
    "built": True,
    "reason": None,
    "flavour": "tensorrt_rtx",
    "version": VERSION,
    "compute_capabilities": ["8.9"],
    "plugin_layers": 4,
    "profile": {"min": [1, 3, 32, 32], "opt": [8, 3, 32, 32], "max": [32, 3, 32, 32]},
    "plugin": {
        "name": "SelectiveScan2D", "version": "1", "namespace": "vmamba", "delivery": "beside",
    },
}  # fmt: skip


class Refuses(Protocol):
    """Asks and expects a refusal that leaves everything as it was."""

    def __call__(self, arguments: list[object], code: ExitCode, *words: str) -> Answer: ...


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where a command falls back on a default, it must not write into the checkout.
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def refuses(tmp_path: Path) -> Refuses:
    def asked(arguments: list[object], code: ExitCode, *words: str) -> Answer:
        before = listing(tmp_path)
        answer = ask(*arguments)
        assert_refused(answer, code, *words)
        assert listing(tmp_path) == before
        return answer

    return asked


@pytest.fixture(scope="session")
def artifact(digits_artifact: Callable[..., Path]) -> Path:
    """The digits model in fp32, without an engine; do not write to it."""
    return digits_artifact("fp32", engine=False)


@pytest.fixture
def copied(artifact: Path, tmp_path: Path) -> Path:
    """A copy of `artifact` for changes."""
    return Path(shutil.copytree(artifact, tmp_path / "copied"))


@pytest.fixture(scope="session")
def images(digits_folder: Path) -> list[Path]:
    return sorted(digits_folder.rglob("*.png"))[:40]


@pytest.fixture
def image(images: list[Path]) -> Path:
    return images[0]


@pytest.fixture
def engine_folder(copied: Path) -> Path:
    """An artefact folder whose engine and plugin are of random bytes."""
    (copied / ENGINE_NAME).write_bytes(secrets.token_bytes(5000))
    (copied / TRT_LIBRARY_NAME).write_bytes(secrets.token_bytes(500))
    rewrite(copied, engine=FACTS)
    return copied
