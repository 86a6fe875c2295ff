"""`python -m benchmarks`: the one entry to every measurement."""

from __future__ import annotations

import click

from benchmarks.commands import agreement, comparison, machine, network, op, pages
from vmamba_deploy.cli.reporting import run_program

COMMANDS = (
    agreement.digits_accuracy_command,
    agreement.fashion_accuracy_command,
    agreement.parity,
    comparison.compare,
    machine.gpu_check,
    machine.gpu_kit,
    machine.machine,
    network.dense,
    network.layers,
    network.model,
    network.network_floor_command,
    network.resolutions,
    network.vim,
    op.chain,
    op.counters,
    op.forms,
    op.op,
    op.sequences,
    pages.report,
)


@click.group()
def main() -> None:
    """Measure, compare and report. Competitors take turns, so that noise meets all alike."""


for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    run_program(main, "python -m benchmarks")
