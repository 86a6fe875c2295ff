"""ARTIFACT comes first in every command that opens a folder; `--artifact` still names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["evaluate", "a", "--data", "x", "--artifact", "b"], 2, "a, and b by --artifact"),
        (["evaluate", "--data", "x"], 2, "evaluate [OPTIONS] ARTIFACT"),
        (["evaluate", "absent", "--data", "x"], 3, "no artefact folder absent"),
        (["evaluate", "--artifact", "absent", "--data", "x"], 3, "no artefact folder absent"),
        (["package", "a", "--triton", "x", "--artifact", "b"], 2, "leave --artifact out"),
        (["package", "--triton", "x"], 2, "no artefact folder was given"),
        (["package", "--triton", "x", "--artifact", "absent"], 3, "no folder absent"),
        (["predict"], 2, "an artefact folder and an image must be given"),
        (["predict", "--artifact", "a"], 2, "an image must be given"),
        (["predict", "a"], 2, "no image was given, but one path alone"),
        (["predict", "cat.png", "a"], 2, "cat.png is a file, and the artefact folder comes first"),
        (["predict", "real", "cat.png", "--artifact", "b"], 2, "real, and b by --artifact"),
    ],
)
def test_what_is_missing_or_said_twice(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cat.png").write_bytes(b"")
    Path("real").mkdir()
    Path("real/manifest.json").write_text("{}")
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def test_both_forms_open_the_same_folder(
    digits_artifact: Callable[..., Path], digits_folder: Path
) -> None:
    folder, images = digits_artifact("fp32"), sorted((digits_folder / "7").glob("*.png"))[:2]
    told = [
        run("predict", *form, "--runtime", "ort", "--json")
        for form in ([folder, *images], [*images, "--artifact", folder])
    ]
    assert [one.exit_code for one in told] == [ExitCode.OK] * 2, told[0].output
    first, second = (json.loads(one.stdout.splitlines()[-1])["predictions"] for one in told)
    assert first == second
    assert len(first) == 2


@pytest.mark.parametrize("command", ["evaluate", "package", "predict"])
def test_help_shows_the_argument_alone(command: str) -> None:
    shown = run(command, "--help").output
    assert "ARTIFACT" in shown
    assert "--artifact" not in shown
