"""`vmamba-deploy doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.errors import ExitCode

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal

_MARKS = {"ok": ("✓", "green"), "optional": ("-", "yellow"), "missing": ("✗", "bold red")}


@click.command("doctor")
@reporting
def command(terminal: Terminal) -> ExitCode:
    """Say what is installed, what can run here, what is missing and the command that brings it.

    Ends with 4 when something is missing that a default export needs.
    """
    from rich.text import Text

    from vmamba_deploy.cli.summary import table
    from vmamba_deploy.pipeline.doctor import examine, remedy_of

    findings = examine()
    drawn = table("", "", "area", "what", "detail", "remedy")
    for finding in findings:
        drawn.add_row(
            Text(*_MARKS[finding.level]),
            finding.area,
            finding.name,
            finding.detail,
            finding.remedy,
        )
    terminal.show(drawn)
    missing = [finding.name for finding in findings if finding.level == "missing"]
    remedy = remedy_of(findings)
    if missing:
        brought = f"; {remedy} brings what Python lacks" if remedy else ""
        terminal.verdict(f"missing: {', '.join(missing)}{brought}", good=False)
    else:
        terminal.verdict("a default export works here", good=True)
    code = ExitCode.ENVIRONMENT if missing else ExitCode.OK
    terminal.result({"findings": findings, "remedy": remedy, "exit_code": code})
    return code
