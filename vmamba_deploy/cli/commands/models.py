"""`vmamba-deploy models`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vmamba_deploy.cli.reporting import reporting
from vmamba_deploy.tasks import TASKS

if TYPE_CHECKING:
    from vmamba_deploy.cli.terminal import Terminal


@click.command("models")
@click.option("--task", type=click.Choice(list(TASKS)), help="Only presets that are made for it.")
@reporting
def command(terminal: Terminal, *, task: str | None) -> None:
    """List the presets that --model takes: task, image size, classes and published accuracy.

    Accuracy is what the authors report on ImageNet-1K, in percent; a dash where this project holds
    no published figure.
    """
    from vmamba_deploy.cli.summary import table
    from vmamba_deploy.models.catalogue import catalogue

    listed = [one for one in catalogue() if task in (None, one.task)]
    drawn = table(
        "Presets", "name", "short", "task", ">image size", ">classes", ">published top-1", "source"
    )
    for one in listed:
        height, width = one.image_size
        drawn.add_row(
            one.name,
            ", ".join(one.aliases),
            one.task,
            f"{height}x{width}",
            str(one.num_classes),
            f"{one.published.top1:.1f}" if one.published else "\N{EN DASH}",
            one.published.source if one.published else "",
        )
    terminal.show(drawn)
    terminal.result({"models": listed})
