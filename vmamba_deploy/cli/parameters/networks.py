"""Options that say which network it is: of a checkpoint, or a user's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from vmamba_deploy.cli.parameters.gathering import gathered
from vmamba_deploy.cli.parameters.kinds import Assumption
from vmamba_deploy.models.checkpoints.choice import WeightsChoice

_WEIGHTS_OPTIONS = (
    click.option(
        "--weights-key",
        "key",
        metavar="KEY",
        help="Under which the weights are in the file.  [default: model before model_ema]",
    ),
    click.option(
        "--strip-prefix",
        "prefix",
        metavar="PREFIX",
        help="Of the weights' names in the file.  [default: the only one that fits]",
    ),
    click.option(
        "--assume",
        "assumed",
        type=Assumption(),
        multiple=True,
        help="What the file does not tell of its network, such as class-token=first; may be given "
        "several times.  [default: as published, and said]",
    ),
)


def weights_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose among the networks of a checkpoint; handed over as `choice`."""
    return gathered(function, _WEIGHTS_OPTIONS, "choice", lambda: WeightsChoice)


def network_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--network`; handed over as a `Builder`, or None."""

    @functools.wraps(function)
    def parsing(*arguments: Any, network: str | None, **given: Any) -> Any:
        from vmamba_deploy.user_network.request import Builder

        builder = None if network is None else Builder.parsed(network)
        return function(*arguments, network=builder, **given)

    return click.option(
        "--network",
        metavar="FILE.py:FUNCTION",
        help="A network of your own: FUNCTION() returns it. The file is code, and is run.",
    )(parsing)
