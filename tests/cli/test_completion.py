"""Shell completion, in a real bash: names of commands, options and their values."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_COMPLETED = """
eval "$(_VMAMBA_DEPLOY_COMPLETE=bash_source vmamba-deploy)"
COMP_WORDS=(vmamba-deploy "$@")
COMP_CWORD=$#
_vmamba_deploy_completion vmamba-deploy
echo "${COMPREPLY[@]}"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a shell that finds the program by its name."""
    program = tmp_path / "vmamba-deploy"
    main = "from vmamba_deploy.cli import main; main()"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{main}' \"$@\"\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["ex"], ["export"]),
        (["export", "--image"], ["--image-size"]),
        (["export", "--trt", ""], ["auto", "tensorrt", "rtx"]),
        (["export", "--model", "vim_tiny"], ["vim_tiny", "vim_tiny_stride8"]),
        (["compare", "x", "--require", "tens"], ["tensorrt", "tensorrt_rtx"]),
        (["evaluate", "--arti"], []),
    ],
)
def test_bash_completes(
    environment: dict[str, str], words: list[str], completed: list[str]
) -> None:
    command = ["bash", "--norc", "-c", _COMPLETED, "bash", *words]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout.split() == completed, told.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_script(environment: dict[str, str], shell: str) -> None:
    asked = {**environment, "_VMAMBA_DEPLOY_COMPLETE": f"{shell}_source"}
    told = subprocess.run(
        ["vmamba-deploy"], env=asked, capture_output=True, text=True, check=True, shell=False
    )
    assert f"_VMAMBA_DEPLOY_COMPLETE={shell}_complete" in told.stdout
