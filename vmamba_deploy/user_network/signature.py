"""Whether the inputs that a user names are the parameters of their network's `forward`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence

from torch import nn

from vmamba_deploy.errors import UsageError
from vmamba_deploy.tasks.task import Input

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_inputs(module: nn.Module, inputs: Sequence[Input]) -> None:
    """Compare names before anything runs.

    Raises:
        UsageError: an input that `forward` does not take, or one that it needs and nobody names.
    """
    parameters = inspect.signature(module.forward).parameters.values()
    named = {each.name: each for each in parameters if each.kind in _NAMED}
    open_ended = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    title = f"forward() of {type(module).__name__}"
    for unknown in (one.name for one in inputs if one.name not in named and not open_ended):
        close = difflib.get_close_matches(unknown, named, n=1)
        has = [*close, *(name for name in named if name not in close)]
        raise UsageError(
            f"{title} takes no {unknown}", hint=f"it takes {', '.join(has) or 'nothing'}"
        )
    given = {one.name for one in inputs}
    needed = [name for name, each in named.items() if each.default is inspect.Parameter.empty]
    if lacking := [name for name in needed if name not in given]:
        raise UsageError(
            f"{title} needs {', '.join(lacking)}, and nothing says what it is",
            hint=f"add --input {lacking[0]}=SHAPE",
        )
