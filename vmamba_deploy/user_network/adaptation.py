"""A network as `adapt` leaves it, where it needs that: one may call our ops by itself."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from vmamba_deploy.adapting import adapt
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models.family import OpCalls


def adapted(module: nn.Module, warn: Callable[[str], None]) -> UsageError | None:
    """Adapt in place, and tell what was not known.

    Returns:
        Why nothing was adapted, None where something was.
    """
    try:
        report = adapt(module)
    except UsageError as error:
        return error
    for one in report.unknown:
        warn(f"{one.path or 'the network'}, {one.what}, was left as it is: {one.why}")
    return None


def require_calls(calls: tuple[OpCalls, ...], name: str, why: UsageError | None) -> None:
    """Refuse a network in which no op of ours is called.

    Args:
        calls: of our ops.
        name: of the network.
        why: nothing was adapted.

    Raises:
        InputFileError: there is no call.
    """
    if calls:
        return
    reason = why.message if why is not None else "what was adapted is not run by forward()"
    hint = why.hint if why is not None else None
    raise InputFileError(f"{name} calls no operator of this package: {reason}", hint=hint)
