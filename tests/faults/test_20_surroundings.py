"""Locale, home, temporary folder, mask, closed output: a command does as it does anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import HANG_S

ROOT = Path(__file__).parents[2]


def run(
    *arguments: object, shell: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The product in a process of its own; `shell` is put around it, `"$@"` is the command."""

    program = ["-c", "from vmamba_deploy.cli import main; main()", *map(str, arguments)]
    return subprocess.run(
        ["bash", "-c", shell or '"$@"', "bash", sys.executable, *program],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=os.environ | (env or {}),
        timeout=HANG_S,
    )


SURROUNDINGS: dict[str, dict[str, str]] = {
    "the C locale": {"LC_ALL": "C", "LANG": "C"},
    "ASCII": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no such locale": {"LC_ALL": "xx_YY.UTF-8"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8"},
    "output in ASCII": {"PYTHONIOENCODING": "ascii"},
    "output in Latin-1": {"PYTHONIOENCODING": "latin-1:strict"},
    "no home": {"HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"},
    "a home that is no folder": {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null"},
    "a home of nothing": {"HOME": "", "USER": "", "LOGNAME": ""},
    "no temporary folder": {"TMPDIR": "/nonexistent", "TMP": "/nonexistent", "TEMP": "/dev/null"},
    "a narrow terminal": {"COLUMNS": "1", "LINES": "1", "TERM": "dumb"},
    "a terminal of nobody": {"TERM": "of-nobody", "COLUMNS": "-5"},
    "another time": {"TZ": "Nowhere/None", "SOURCE_DATE_EPOCH": "-1"},
}


@pytest.mark.parametrize("where", list(SURROUNDINGS))
def test_a_prediction_is_the_same_anywhere(artifact: Path, image: Path, where: str) -> None:
    asked = ["predict", artifact, image, "--runtime", "ort"]
    here = run(*asked, env=SURROUNDINGS[where])
    assert here.returncode == 0, here.stderr
    assert b"Traceback" not in here.stderr
    assert image.parent.name.encode() in here.stdout


CLOSED = ['"$@" >&-', '"$@" 2>&-', '"$@" <&-', '"$@" >&- 2>&- <&-', '"$@" | head -c 1']


@pytest.mark.parametrize("shell", CLOSED)
def test_an_output_that_is_closed(artifact: Path, image: Path, shell: str) -> None:
    ended = run("info", artifact, shell=f"set -o pipefail; {shell}")
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr + ended.stdout


def test_an_output_on_a_full_disk(artifact: Path) -> None:
    ended = run("info", artifact, shell='"$@" > /dev/full')
    assert ended.returncode not in (0, 1), ended.stderr
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("mask", ["000", "077", "777"])
def test_a_mask(tmp_path: Path, artifact: Path, mask: str) -> None:
    repository = tmp_path / "models"
    ended = run("package", artifact, "--triton", repository, shell=f'umask {mask}; "$@"')
    assert ended.returncode in (0, 2), ended.stderr
    assert b"Traceback" not in ended.stderr


def test_json_is_json_in_any_encoding(artifact: Path) -> None:
    ended = run("info", "--json", artifact, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    (line,) = ended.stdout.splitlines()
    assert json.loads(line)["event"] == "result"
