"""Several options that reach a command as one typed object."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any


def gathered(
    function: Callable[..., Any],
    options: Sequence[Callable[..., Any]],
    argument: str,
    kind: Callable[[], type],
) -> Callable[..., Any]:
    """Add options to a command that gets their values as one argument, an object of a dataclass."""

    @functools.wraps(function)
    def gathering(*arguments: Any, **given: Any) -> Any:
        made = kind()  # imported when the command runs, not for `--help`
        values = {one.name: given.pop(one.name) for one in fields(made)}
        return function(*arguments, **{argument: made(**values)}, **given)

    for option in reversed(options):
        gathering = option(gathering)
    return gathering
