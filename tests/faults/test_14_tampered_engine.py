"""An engine is code: one that was touched is refused by all that would read it."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.asking import ask, assert_refused
from tests.faults.conftest import Refuses
from vmamba_deploy.artifacts.manifest import ENGINE_NAME, MANIFEST_NAME, TRT_LIBRARY_NAME
from vmamba_deploy.errors import ExitCode, IntegrityError
from vmamba_deploy.runtimes.tensorrt.run import TensorRTRuntime


def change_manifest(change: Callable[[dict], None]) -> Callable[[Path], None]:  # type: ignore[type-arg]
    def apply(folder: Path) -> None:
        path = folder / MANIFEST_NAME
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return apply


def flip(place: int) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = bytearray((folder / ENGINE_NAME).read_bytes())
        content[place] ^= 4
        (folder / ENGINE_NAME).write_bytes(content)

    return apply


def write(content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / ENGINE_NAME).write_bytes(content) and None


def replace_by_link(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere.engine"
    elsewhere.write_bytes(b"another engine")
    (folder / ENGINE_NAME).unlink()
    (folder / ENGINE_NAME).symlink_to(elsewhere)


def another_exports(folder: Path) -> None:
    other = secrets.token_bytes((folder / ENGINE_NAME).stat().st_size)
    (folder / ENGINE_NAME).write_bytes(other)


TAMPERED: dict[str, Callable[[Path], None]] = {
    "its first bit": flip(0),
    "its last bit": flip(-1),
    "a bit within": flip(2500),
    "emptied": write(b""),
    "replaced by one of the same size": another_exports,
    "replaced by a link": replace_by_link,
    "removed": lambda folder: (folder / ENGINE_NAME).unlink(),
    "a folder in its place": lambda folder: (
        (folder / ENGINE_NAME).unlink(),
        (folder / ENGINE_NAME).mkdir(),
    )[1],
    "its plugin": lambda folder: (folder / TRT_LIBRARY_NAME).write_bytes(b"x" * 500) and None,
    "its hash": change_manifest(lambda m: m["files"][ENGINE_NAME].update(sha256="0" * 64)),
    "its size": change_manifest(lambda m: m["files"][ENGINE_NAME].update(size_bytes=1)),
    "its size, to less than nothing": change_manifest(
        lambda m: m["files"][ENGINE_NAME].update(size_bytes=-1)
    ),
    "its hash, in capitals": change_manifest(
        lambda m: m["files"][ENGINE_NAME].update(sha256=m["files"][ENGINE_NAME]["sha256"].upper())
    ),
    "its profile": change_manifest(lambda m: m["engine"]["profile"].update(max=[0, 3, 32, 32])),
    "its flavour": change_manifest(lambda m: m["engine"].update(flavour="of nobody")),
    "its number of layers": change_manifest(lambda m: m["engine"].update(plugin_layers=0)),
    "a fact of it": change_manifest(lambda m: m["engine"].pop("compute_capabilities")),
}


@pytest.mark.parametrize("what", list(TAMPERED))
def test_every_reader_refuses_it(
    refuses: Refuses, engine_folder: Path, image: Path, what: str
) -> None:
    TAMPERED[what](engine_folder)
    for asked in (
        ["info", engine_folder],
        ["compare", engine_folder],
        ["predict", engine_folder, image, "--runtime", "ort"],
    ):
        refuses(list(asked), ExitCode.INTEGRITY)


def test_an_engine_that_the_manifest_does_not_list(engine_folder: Path) -> None:
    change_manifest(lambda m: m["files"].pop(ENGINE_NAME))(engine_folder)
    with pytest.raises(IntegrityError, match=rf"does not list {ENGINE_NAME}"):
        TensorRTRuntime.from_folder(engine_folder)


def test_info_reads_no_byte_of_an_engine_but_for_its_hash(tmp_path: Path) -> None:
    engine = tmp_path / "model.engine"
    engine.write_bytes(b"ptrt" + secrets.token_bytes(4000))
    answer = ask("info", engine)
    assert answer.code == ExitCode.OK
    assert "nothing can be said of its origin" in answer.out


def test_an_engine_of_another_folder_is_not_vouched_for(
    tmp_path: Path, engine_folder: Path
) -> None:
    moved = Path(shutil.copytree(engine_folder, tmp_path / "moved"))
    (moved / ENGINE_NAME).write_bytes(secrets.token_bytes(5000))
    answer = ask("info", moved / ENGINE_NAME)
    assert_refused(answer, ExitCode.INTEGRITY, ENGINE_NAME, "the manifest says")
