"""Nothing that stands in a file steers the terminal: no markup, no control characters."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from vmamba_deploy.cli.app import main
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.cli.summary import table
from vmamba_deploy.cli.terminal import Terminal
from vmamba_deploy.errors import InputFileError, VmambaError
from vmamba_deploy.pipeline.events import Event

HOSTILE = [
    "[/b]",
    "[bold red]a[/]",
    "[link=https://x.test]here[/link]",
    ":smile:",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "c1 \x9b2J",
    "over\rwritten\x08\x08",
    "\u202egpj.exe",
    "\udc1b[2J",
]


def drawn(terminal: Terminal, text: str) -> None:
    """Every way by which a text reaches the terminal."""
    titled = table(f"\nIn {text}", text, f">{text}")
    titled.add_row(text, text)
    terminal.show(titled)
    terminal.show(text)
    terminal.verdict(text, good=False)
    terminal.on_event(Event("step-started", step="read", message=text))
    terminal.on_event(Event("progress", step="read", message=text, fraction=0.5))
    terminal.on_event(Event("step-finished", step="read", message=text, seconds=1.0))
    terminal.on_event(Event("warning", message=text))
    terminal.error(VmambaError(text, hint=text))
    terminal.bug(RuntimeError(text))


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_is_shown_and_not_obeyed(
    text: str, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn(Terminal(as_json=as_json, verbosity=1), text)
    out, err = capsys.readouterr()
    for shown in (out, err):
        assert all(one.isprintable() or one == "\n" for one in shown), ascii(shown)
    if text.isprintable():
        assert text in err
    if as_json:
        written = text.replace("\udc1b", "\\x1b")  # no JSON can hold a byte that is no UTF-8
        assert written in [json.loads(line).get("message") for line in out.splitlines()]


def test_a_terminal_with_colours_gets_those_of_ours_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    Terminal().verdict("[green]\x1b[31mred", good=True)
    shown = capsys.readouterr().out
    assert "[green]\\x1b[31mred" in shown
    assert "\x1b[31m" not in shown
    assert "\x1b[1;32m" in shown


def test_an_argument_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """A shell puts file names there: `predict *`."""
    with pytest.raises(SystemExit) as ended:
        main(["info", "--\x1b[2J"])
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert "error: vmamba-deploy info has no option --\\x1b[2J" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "a\x1bb"), 3, "a\\x1bb: Permission denied"),
        (OSError(36, "File name too long", b"a\xff"), 3, "File name too long"),
        (MemoryError(), 8, "not enough memory"),
        (ModuleNotFoundError("no", name="onnx"), 4, "onnx"),
        (InputFileError("bad"), 3, "bad"),
        (OSError(5, "of no file"), 1, "this is a bug"),
        (RuntimeError("odd"), 1, "this is a bug: RuntimeError: odd"),
    ],
)
def test_what_a_body_raises_is_told_with_its_exit_code(
    raised: Exception, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @reporting
    def command(terminal: Terminal) -> None:
        raise raised

    with pytest.raises(SystemExit) as ended:
        command.main(["-v"], prog_name=Path("x").name)
    assert ended.value.code == code
    assert said in capsys.readouterr().err
