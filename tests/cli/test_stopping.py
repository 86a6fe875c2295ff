"""A stop is asked for within code that loses it, as code of libraries does."""

import contextlib
import signal

import pytest

from vmamba_deploy.cli import stopping
from vmamba_deploy.cli.app import main
from vmamba_deploy.cli.terminal import Terminal
from vmamba_deploy.errors import BuildError
from vmamba_deploy.pipeline.events import Steps

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def lose(number):
    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        signal.raise_signal(number)


def fail(number):
    """As an `except` clause that cannot be evaluated while a module is half imported."""
    lose(number)
    raise BuildError("PyTorch could not export the model")


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("library", [lose, fail])
def test_a_lost_stop_decides_how_the_command_ends(monkeypatch, capsys, library, number, code):
    monkeypatch.setattr("vmamba_deploy.pipeline.info.describe_path", lambda *_: library(number))
    with pytest.raises(SystemExit) as ended:
        main(["info", "."])
    assert ended.value.code == code
    assert "could not export" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [number for number, _ in CODES])
def test_a_lost_stop_ends_the_run_with_its_step(number):
    stopping.listen()
    steps = Steps(Terminal(as_json=False, verbosity=-1).on_event)
    with pytest.raises((KeyboardInterrupt, SystemExit)), steps.step("export", "exporting"):
        lose(number)
    steps.warn("stopped after 3 of 9 images")


def test_an_ignored_interrupt_stays_ignored():
    """As under nohup."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.listen()
    signal.raise_signal(signal.SIGINT)
    stopping.stop_if_asked()


def test_a_stop_of_an_earlier_run_is_forgotten():
    stopping.listen()
    lose(signal.SIGTERM)
    stopping.listen()
    stopping.stop_if_asked()
