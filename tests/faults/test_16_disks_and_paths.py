"""Full disks, places that nobody may write to, and paths that are long or odd."""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.artifacts.publishing import publish, visible
from tests.faults.asking import ask, assert_plain
from tests.faults.conftest import Refuses
from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import ExitCode, ResourceError, UsageError


@contextmanager
def files_of_at_most(limit_bytes: int) -> Iterator[None]:
    """A disk quota: writing more fails in this process, in any library, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit_bytes", [0, 1, 200, 100_000])
def test_a_disk_that_fills_while_a_folder_is_written(tmp_path: Path, limit_bytes: int) -> None:
    publish(tmp_path / "out", {"model.onnx": b"old"})
    with files_of_at_most(limit_bytes), pytest.raises(ResourceError, match="File too large"):
        publish(tmp_path / "out", {"model.onnx": secrets.token_bytes(200_000)})
    assert visible(tmp_path) == ["out"]
    verify(tmp_path / "out")
    assert (tmp_path / "out" / "model.onnx").read_bytes() == b"old"


@pytest.mark.parametrize("command", ["package", "evaluate"])
def test_a_disk_that_fills_under_a_command(
    tmp_path: Path, artifact: Path, images: list[Path], command: str
) -> None:
    data = images[0].parents[1]
    asked: dict[str, list[object]] = {
        "package": ["package", artifact, "--triton", tmp_path / "out"],
        "evaluate": ["evaluate", artifact, "--data", data, "-o", tmp_path / "out"],
    }
    with files_of_at_most(300):
        answer = ask(*asked[command])
    assert answer.code == ExitCode.RESOURCES, answer.err
    assert "error: cannot write " in answer.err
    assert not [path for path in tmp_path.rglob("*") if ".partial-" in path.name]


NOWHERE = ["/proc/vmamba", "/sys/vmamba", "/dev/null/vmamba", "/dev/full"]


@pytest.mark.parametrize("place", NOWHERE)
@pytest.mark.parametrize("command", ["export", "package", "evaluate", "report"])
def test_a_place_that_holds_no_folders(
    refuses: Refuses, artifact: Path, images: list[Path], command: str, place: str
) -> None:
    data = images[0].parents[1]
    asked: dict[str, list[object]] = {
        "export": ["export", "-m", "t", "--no-engine", "-o", place],
        "package": ["package", artifact, "--triton", place],
        "evaluate": ["evaluate", artifact, "--data", data, "-o", place],
        "report": ["compare", artifact, "--report", f"{place}/report"],
    }
    # Of /proc and /sys some commands say that they are full, which is true.
    code = ExitCode.USAGE if command != "package" or "/dev" in place else ExitCode.RESOURCES
    refuses(asked[command], code, Path(place).parts[1])


@contextmanager
def as_nobody() -> Iterator[Path]:
    """A folder that this process may read and not write, as a user who is not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody and come back")
    folder, nobody = Path(tempfile.mkdtemp()), 65534
    folder.chmod(0o755)
    (folder / "theirs").mkdir(mode=0o755)
    try:
        os.setresuid(nobody, nobody, 0)
        yield folder
    finally:
        os.setresuid(0, 0, 0)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["out", "theirs", "deep/out", "theirs/out"])
def test_a_folder_of_somebody_else(tmp_path: Path, name: str) -> None:
    publish(tmp_path / "before", {"model.onnx": b"x"})  # what it imports, only root may read
    with as_nobody() as folder:
        with pytest.raises(UsageError, match=r"cannot (write|make)|not writable") as told:
            publish(folder / name, {"model.onnx": b"x"})
        assert str(folder) in told.value.message
        assert [path.name for path in folder.rglob("*")] == ["theirs"]


def test_a_file_of_somebody_else() -> None:
    with as_nobody() as folder:
        with (
            pytest.raises(UsageError, match="cannot write"),
            atomic_write(folder / "file") as temporary,
        ):
            temporary.write_bytes(b"x")
        assert [path.name for path in folder.iterdir()] == ["theirs"]


ODD = {
    "blanks": " two  blanks ",
    "quotes": 'it\'s "quoted"',
    "a dash": "-o",
    "a tilde": "~",
    "markup": "[red] [bold",
    "braces": "{name} %s %(x)d",
    "a hash": "weights#sha256=abc",
    "a percent sign": "a%2e%2eb",
    "a dot": ".hidden",
    "accents": "Modèle für Ångström",
    "other scripts": "模型-модель-نموذج",
    "an emoji": "🐍",
    "a line break": "two\nlines",
    "a terminal's command": "red \x1b[31m\x07",
    "direction": "txt.\u202egpj",
    "as long as it can be": "n" * 220,
}


@pytest.mark.parametrize("kind", list(ODD))
def test_a_folder_with_an_odd_name_is_written_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, artifact: Path, images: list[Path], kind: str
) -> None:
    folder = tmp_path / ODD[kind]
    content = {path.name: path.read_bytes() for path in artifact.iterdir()}
    content.pop("manifest.json")
    publish(folder, content)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*content, "manifest.json"])
    shutil.copyfile(artifact / "manifest.json", folder / "manifest.json")
    image = Path(shutil.copyfile(images[0], folder.with_name(f"{ODD[kind]}.png"[-200:])))
    monkeypatch.chdir(tmp_path)
    # `./` as a shell's user would write it, where a name looks like an option.
    answer = ask("predict", f"./{folder.name}", f"./{image.name}", "--runtime", "ort")
    assert answer.code == ExitCode.OK, answer.err
    assert images[0].parent.name in answer.out
    assert_plain(answer)
    for asked in (["info", f"./{folder.name}"], ["info", f"./{folder.name}/model.onnx"]):
        answer = ask(*asked)
        assert answer.code == ExitCode.OK, answer.err
        assert_plain(answer)


def test_a_path_that_is_no_text_is_named(tmp_path: Path, refuses: Refuses, copied: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bytes \xff\xfe")
    copied.rename(folder)
    image = tmp_path / "image.png"
    asked = ["predict", folder, image, "--runtime", "ort"]
    refuses(asked, ExitCode.BAD_INPUT, "image.png")
    image.write_bytes(b"x")
    refuses(asked, ExitCode.USAGE, "bytes \\xff\\xfe", "is not a path in UTF-8")


LONG: dict[str, Callable[[Path], Path]] = {
    "a name": lambda folder: folder / ("n" * 256),
    "a name with ours before it": lambda folder: folder / ("n" * 250),
    "a path": lambda folder: folder.joinpath(*["n" * 200] * 25),
}


@pytest.mark.parametrize("what", list(LONG))
@pytest.mark.parametrize("command", ["info", "export", "package", "evaluate"])
def test_a_path_that_is_too_long(
    tmp_path: Path, artifact: Path, images: list[Path], refuses: Refuses, command: str, what: str
) -> None:
    path, data = LONG[what](tmp_path), images[0].parents[1]
    asked: dict[str, list[object]] = {
        "info": ["info", path],
        "export": ["export", "-m", "t", "--no-engine", "-o", path],
        "package": ["package", artifact, "--triton", path],
        "evaluate": ["evaluate", artifact, "--data", data, "-o", path],
    }
    code = ExitCode.BAD_INPUT if command == "info" else ExitCode.USAGE
    if command != "info" and what == "a name with ours before it":
        pytest.skip("whether it fits depends on what is put before it")
    refuses(asked[command], code)


def test_permissions_of_what_is_written_follow_the_mask(tmp_path: Path) -> None:
    for mask, mode in ((0o077, 0o600), (0o022, 0o644), (0o002, 0o664)):
        before = os.umask(mask)
        try:
            publish(tmp_path / oct(mask), {"model.onnx": b"x"})
        finally:
            os.umask(before)
        written = stat.S_IMODE((tmp_path / oct(mask) / "model.onnx").stat().st_mode)
        assert written == mode
