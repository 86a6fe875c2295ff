import click
import pytest

from vmamba_deploy.cli.reporting import run_program
from vmamba_deploy.errors import IntegrityError


@click.command()
@click.option("--harm", is_flag=True)
def command(harm):
    """Does what it is told."""
    if harm:
        raise IntegrityError("a file was changed", hint="export again")
    click.echo("done")


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        ([], 0, "done\n", ""),
        (["--harm"], 7, "", "error: a file was changed\nhint: export again\n"),
    ],
)
def test_a_program_ends_as_the_product_does(arguments, code, out, err, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["program.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_program(command, "program.py")
    assert ended.value.code == code
    assert capsys.readouterr() == (out, err)


def test_help_calls_the_program_by_its_name(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["x", "--help"])
    with pytest.raises(SystemExit):
        run_program(command, "python -m samples.thing")
    assert "Usage: python -m samples.thing [OPTIONS]" in capsys.readouterr().out
