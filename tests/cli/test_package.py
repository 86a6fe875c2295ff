import json

import pytest
from click.testing import CliRunner

from vmamba_deploy.cli import cli
from vmamba_deploy.cli.commands import package
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.serving.triton.plan import BACKENDS, DEVICES


def run(*arguments):
    return CliRunner().invoke(cli, ["package", *map(str, arguments)])


def test_choices_are_those_of_the_package():
    assert (package.BACKENDS, package.DEVICES) == (BACKENDS, DEVICES)


def test_help_tells_every_option():
    result = run("--help")
    assert result.exit_code == 0
    for option in ("ARTIFACT", "--triton", "--backend", "--max-queue-delay-us", "--no-ensemble"):
        assert option in result.output


def test_a_package_and_what_is_told_of_it(digits_artifact, tmp_path):
    artifact = digits_artifact(engine=False)
    arguments = ["--triton", tmp_path / "repo", artifact, "--backend", "python"]
    arguments += ["--name", "digits", "--max-batch", 8, "--instances", 2, "--no-ensemble"]
    result = run(*arguments, "--preferred-batch", "4,8", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["models"] == ["digits"]
    assert (told["backend"], told["max_batch"]) == ("python", 8)
    config = (tmp_path / "repo/digits/config.pbtxt").read_text()
    for line in ("max_batch_size: 8", "preferred_batch_size: 4", "count: 2"):
        assert line in config

    again = run(*arguments)
    assert again.exit_code == ExitCode.USAGE
    assert "--force" in again.output
    forced = run(*arguments, "--force")
    assert forced.exit_code == 0, forced.output
    assert "tritonserver --model-repository=/models" in " ".join(forced.output.split())


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--triton", "repo"], ExitCode.USAGE, "no artefact folder was given"),
        (["x"], ExitCode.USAGE, "--triton"),
        (["--triton", "r", "x", "--name", "a b"], ExitCode.USAGE, "cannot name"),
        (["--triton", "r", "x", "--backend", "tf"], ExitCode.USAGE, "--backend"),
        (["--triton", "r", "nothing"], ExitCode.BAD_INPUT, "there is no folder"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path, monkeypatch, arguments, code, word):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert list(tmp_path.iterdir()) == []
    assert result.exit_code == code, result.output
    assert word in result.output
    assert "Traceback" not in result.output
