"""Mistakes on the command line: told as our own errors are, with the word that was meant."""

from __future__ import annotations

import json
import re

import click
import pytest

from vmamba_deploy.cli import cli, words
from vmamba_deploy.cli.app import main
from vmamba_deploy.models import resolve_preset

CONTEXT = click.Context(cli)
COMMANDS = {name: cli.get_command(CONTEXT, name) for name in cli.list_commands(CONTEXT)}
OPTIONS = {name for one in COMMANDS.values() if one for each in one.params for name in each.opts}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return (ended.value.code, *capsys.readouterr())


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["export", "--imgs", "3"], "vmamba-deploy export has no option --imgs", "--image-size"),
        (["export", "--report", "x"], "has no option --report", "--report is an option of compare"),
        (["export", "--device", "cuda"], "has no option --device", "--target-sm"),
        (["bench", "x", "--shapes", "3"], "no option --shapes", "an option of export and build"),
        (["export", "--format", "engine"], "has no option --format", "--no-engine"),
        (["build", "x", "--memPoolSize=1"], "--memPoolSize", "it is called --workspace here"),
        (["evaluate", "--imgsz", "3"], "no option --image-size", "is an option of export"),
        (["convert"], "there is no command convert", "did you mean export?"),
        (["exprot"], "there is no command exprot", "did you mean export?"),
        (["xyzzy"], "there is no command xyzzy", "the commands are export, build"),
        (["info"], "missing argument 'PATH'", "vmamba-deploy info --help"),
        (["export", "--trt", "x"], "invalid value for '--trt'", "vmamba-deploy export --help"),
    ],
)
def test_a_mistake_is_an_error_and_a_hint(
    capsys: pytest.CaptureFixture[str], arguments: list[str], error: str, hint: str
) -> None:
    code, out, err = told(capsys, *arguments)
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert error in first
    assert second.startswith("hint: ")
    assert hint in second


def test_json_has_the_hint_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "export", "--json", "--savedir", "x")
    event = json.loads(out)
    assert (code, event["event"], event["exit_code"]) == (2, "error", 2)
    assert err == f"error: {event['message']}\nhint: {event['hint']}\n"


@pytest.mark.parametrize(
    "theirs",
    [
        ["--model", "tiny", "--half", "--imgsz", "31"],
        ["--model", "t", "--precision", "half", "--img-size=31"],
    ],
)
def test_words_that_mean_the_same_are_taken(
    capsys: pytest.CaptureFixture[str], theirs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []

    def run_export(plan: object, _on_event: object) -> None:
        plans.append(plan)
        raise KeyboardInterrupt

    monkeypatch.setattr("vmamba_deploy.pipeline.export.run_export", run_export)
    for arguments in (theirs, ["--model", "t", "--fp16", "--image-size", "31"]):
        assert told(capsys, "export", *arguments)[0] == 130
    first, second = plans
    assert (first.precision, first.image_size) == (second.precision, second.image_size)
    assert first.precision == "fp16"
    assert resolve_preset(first.model) is resolve_preset(second.model)


def test_our_words_exist() -> None:
    ours = {f"--{word}" for theirs, word in words.SAME.items() if theirs != "list"}
    named = {one for options in words._OPTIONS.values() for one in options}
    said = {one for text in words._SAYINGS.values() for one in re.findall(r"--[a-z-]+", text)}
    assert ours | named | said <= OPTIONS
    assert {*words._COMMANDS.values()} <= {*COMMANDS}


def test_no_option_of_ours_is_taken_for_another() -> None:
    assert not {f"--{word}" for word in words.SAME} & OPTIONS
    assert not {*words._COMMANDS, *words.SAME} & {*COMMANDS}
