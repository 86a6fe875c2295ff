"""`vmamba-deploy info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vmamba_deploy.cli.parameters import weights_options
from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.files import human_size

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal
    from vmamba_deploy.models.checkpoints.choice import WeightsChoice

# Of a long list; `--json` has all of it.
_SHOWN = 8


@click.command("info")
@click.argument("path", type=click.Path(path_type=Path))
@reporting
@weights_options
def command(terminal: Terminal, *, path: Path, choice: WeightsChoice) -> None:
    """Say what PATH is: an artefact folder, ONNX file, engine, checkpoint, library or other file.

    Nothing in it is executed; a manifest beside it is verified.
    """
    from vmamba_deploy.cli.summary import table
    from vmamba_deploy.pipeline.info import describe_path

    facts = describe_path(path, choice)
    drawn = table(str(path), "", "")
    for key, value in _flat(facts):
        drawn.add_row(key, value)
    terminal.show(drawn)
    terminal.result(facts)


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        if isinstance(value, dict) and value.keys() == {"sha256", "size_bytes"}:
            size = human_size(value["size_bytes"])
            rows.append((prefix + key, f"{size}, sha256 {value['sha256']}"))
        elif isinstance(value, dict):
            rows += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            rows += [(f"{prefix}{key}", _in_a_line(entry)) for entry in value]
        elif isinstance(value, list | tuple):
            shown = ", ".join(map(str, value[:_SHOWN]))
            if len(value) > _SHOWN:
                shown = f"{len(value):,}: {shown}, ..."
            rows.append((prefix + key, shown))
        else:
            rows.append((prefix + key, str(value)))
    return rows


def _in_a_line(entry: dict[str, Any]) -> str:
    return "  ".join(str(value) for value in entry.values())
