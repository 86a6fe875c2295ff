"""The weights of modules that were pickled whole, `torch.save(model, ...)`, by their names."""

from __future__ import annotations

from typing import Any

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.models.checkpoints.limits import MAX_NAME_CHARACTERS, MAX_TENSORS
from vmamba_deploy.models.checkpoints.stand_in import StandIn
from vmamba_deploy.models.checkpoints.stored import StoredTensor

_MAX_MODULES = 20


def with_weights_of_modules(tree: object) -> object:
    """A read checkpoint in which a module, it or one of its values, is the dict of its weights.

    Raises:
        InputFileError: too many modules, or modules within modules without end.
    """
    if isinstance(tree, dict):
        if sum(map(_is_module, tree.values())) > _MAX_MODULES:
            raise InputFileError(f"The file holds more than {_MAX_MODULES} pickled modules.")
        return {key: _weights(value) if _is_module(value) else value for key, value in tree.items()}
    return _weights(tree) if _is_module(tree) else tree


def _is_module(value: Any) -> bool:
    return (
        isinstance(value, StandIn)
        and isinstance(value.state, dict)
        and all(
            isinstance(value.state.get(part), dict)
            for part in ("_parameters", "_buffers", "_modules")
        )
    )


def _weights(module: Any) -> dict[str, StoredTensor]:
    """What `module.state_dict()` would give."""
    found: dict[str, StoredTensor] = {}
    left, ahead = MAX_TENSORS, [("", module.state)]
    while ahead:
        prefix, state = ahead.pop()
        tensors = [*state["_parameters"].items(), *state["_buffers"].items()]
        parts = state["_modules"]
        left_out = _left_out(state)
        left -= 1 + len(tensors) + len(parts) + len(left_out)
        if left < 0:
            raise InputFileError("The pickled module holds itself, or too many others.")
        for name, tensor in tensors:
            if isinstance(tensor, StoredTensor) and name not in left_out:
                found[_joined(prefix, name)] = tensor
        for name, part in reversed(parts.items()):
            if _is_module(part):
                ahead.append((f"{_joined(prefix, name)}.", part.state))
    return found


def _left_out(state: dict[str, Any]) -> list[Any]:
    """Buffers that are not saved."""
    match state.get("_non_persistent_buffers_set"):
        case StandIn(arguments=(list(names),)):
            return names
    return []


def _joined(prefix: str, name: object) -> str:
    if not isinstance(name, str) or len(prefix) + len(name) > MAX_NAME_CHARACTERS:
        raise InputFileError("A part of the pickled module has no name, or too long a one.")
    return prefix + name
