"""`adapt`: a network's scans become nodes of ours, and a report says which."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from vmamba_deploy.adapting.adapted_forward import AdaptedForward, FusedForward, adapted_forward
from vmamba_deploy.adapting.calls import scan_calls
from vmamba_deploy.adapting.fused import mamba, ss2d
from vmamba_deploy.adapting.report import SCAN, SCAN_2D, AdaptReport, Replaced, Unknown
from vmamba_deploy.adapting.tensors import tensor_of
from vmamba_deploy.adapting.verification import Judge, OwnForwardError, agrees
from vmamba_deploy.errors import UsageError

# Of maps and sequences that are tried; the sides differ from each other and from the channels.
_MAPS = ((2, 5, 7), (1, 6, 4))
_SEQUENCES = ((2, 11), (1, 3))
_SIDE_IN_PLACE_OF_CHANNELS = 9
_SCAN_PARAMETERS = ("A_log", "A_logs")


def adapt(model: nn.Module) -> AdaptReport:
    """Let the selective scans of a network be computed by our operators, in place.

    Whole mixers, VMamba's SS2D and Mamba's, are found by their parameters, and their forward is
    replaced where ours gives what their own gives; the scan functions that other modules call are
    replaced at the call. Parameters, their names and the network's other code stay.

    Args:
        model: any network in float32, built inside `shims()` where its packages need CUDA.

    Returns:
        What was replaced, and what looks like a scan and was left as it is, with the reason.

    Raises:
        UsageError: nothing was found; the network was adapted before, or is not in float32.
    """
    _check(model)
    replaced: list[Replaced] = []
    unknown: list[Unknown] = []
    whole: list[str] = []
    for path, module in model.named_modules():
        if any(path.startswith(f"{above}.") or not above for above in whole):
            continue
        fused, why = _fused(module)
        if fused is not None:
            fused.install()
            whole.append(path)
            replaced.append(Replaced(path, _what(module), _node_of(fused)))
        elif calls := scan_calls(module):
            AdaptedForward(module).install()
            what = f"{type(module).__name__}, its calls of {', '.join(calls)}"
            replaced.append(Replaced(path, what if why is None else f"{what} ({why})", SCAN))
        elif why is not None or _scans(module):
            reason = why or "its parameters are of no known mixer, and it calls no known scan"
            unknown.append(Unknown(path, type(module).__name__, reason))
    if not replaced:
        raise _nothing_found(model, unknown)
    if adapted_forward(model) is None:
        AdaptedForward(model).install()  # for calls that are made in a way that cannot be read
    return AdaptReport(tuple(replaced), tuple(unknown))


def freeze(model: nn.Module) -> None:
    """Keep what the operators take as constants; the last step before an export.

    Weights that are loaded afterwards have no effect on the scans.
    """
    for module in model.modules():
        forward = adapted_forward(module)
        if isinstance(forward, FusedForward):
            forward.freeze()


def _check(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(f"adapt takes a torch.nn.Module, got {type(model).__name__}")
    if any(adapted_forward(module) is not None for module in model.modules()):
        raise UsageError(
            "this network was adapted before", hint="adapt it once; copies of it stay adapted"
        )
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and parameter.dtype != torch.float32:
            raise UsageError(
                f"adapt takes a network in float32; {name} is {parameter.dtype}",
                hint="model.float(); the precision of an export is chosen there",
            )


def _fused(module: nn.Module) -> tuple[FusedForward | None, str | None]:
    """A forward that was verified; else why there is none, None where the module is no mixer."""
    if ss2d.looks_like_ss2d(module):
        return _verified(lambda: _fused_ss2d(module))
    if mamba.directions(module):
        return _verified(lambda: _fused_mamba(module))
    return None, None


def _scans(module: nn.Module) -> bool:
    return any(isinstance(getattr(module, name, None), Tensor) for name in _SCAN_PARAMETERS)


def _verified(find: Callable[[], FusedForward | None]) -> tuple[FusedForward | None, str | None]:
    try:
        found = find()
    except OwnForwardError as error:
        return None, f"not replaced as a whole: {error}"
    if found is None:
        return None, "not replaced as a whole: its forward gives what no known form gives"
    return found, None


def _fused_ss2d(module: nn.Module) -> FusedForward | None:
    channels_first, judge = _layout(module)
    for form in ss2d.forms(module, channels_first):
        if agrees(judge.nmse(ss2d.FusedSS2D(module, form, "reference"))):
            return ss2d.FusedSS2D(module, form)
    return None


def _layout(module: nn.Module) -> tuple[bool, Judge]:
    """Whether its maps are channels first, and its answers: the layout that its layers can take."""
    channels = tensor_of(module, "out_proj.weight").shape[0]
    maps = [(batch, *_sides(sides, channels)) for batch, *sides in _MAPS]
    last = [(batch, height, width, channels) for batch, height, width in maps]
    first = [(batch, channels, height, width) for batch, height, width in maps]
    is_convolution = isinstance(module.get_submodule("in_proj"), nn.Conv2d)
    if not is_convolution:
        try:
            return False, Judge(module, last)
        except OwnForwardError as error:
            told = error
    try:
        return True, Judge(module, first)
    except OwnForwardError as error:
        raise error if is_convolution else told from error


def _sides(sides: list[int], channels: int) -> Iterator[int]:
    return (_SIDE_IN_PLACE_OF_CHANNELS if side == channels else side for side in sides)


def _fused_mamba(module: nn.Module) -> FusedForward | None:
    channels = tensor_of(module, "out_proj.weight").shape[0]
    judge = Judge(module, [(*batch_and_length, channels) for batch_and_length in _SEQUENCES])
    for form in mamba.forms(module):
        if agrees(judge.nmse(mamba.FusedMamba(module, form, "reference"))):
            return mamba.FusedMamba(module, form)
    return None


def _what(module: nn.Module) -> str:
    return f"{type(module).__name__}, as a whole"


def _node_of(fused: FusedForward) -> str:
    return SCAN_2D if isinstance(fused, ss2d.FusedSS2D) else SCAN


def _nothing_found(model: nn.Module, unknown: list[Unknown]) -> UsageError:
    name = type(model).__name__
    if unknown:
        reasons = "\n".join(f"  {one}" for one in unknown)
        return UsageError(
            f"no selective scan of {name} could be replaced:\n{reasons}",
            hint="what is recognised is listed in docs/adapt.md",
        )
    return UsageError(
        f"{name} has no selective scan that is known here",
        hint="build it inside vmamba_deploy.shims(), from code that calls mamba_ssm, "
        "selective_scan or a module like SS2D; docs/adapt.md lists what is recognised",
    )
