"""`adapt`: a network's scans become nodes of ours, and a report says which."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vmamba_deploy.adapting.adapted_forward import AdaptedForward, FusedForward, adapted_forward
from vmamba_deploy.adapting.calls import scan_calls
from vmamba_deploy.adapting.fused.ss2d import FusedSS2D
from vmamba_deploy.adapting.fusing import Fuser
from vmamba_deploy.adapting.report import SCAN, SCAN_2D, AdaptReport, Replaced, Unknown
from vmamba_deploy.errors import UsageError

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
    fuser = Fuser()
    for path, module in model.named_modules():
        if any(path.startswith(f"{above}.") or not above for above in whole):
            continue
        fused, why = fuser.fused(module)
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


def _scans(module: nn.Module) -> bool:
    return any(isinstance(getattr(module, name, None), Tensor) for name in _SCAN_PARAMETERS)


def _what(module: nn.Module) -> str:
    return f"{type(module).__name__}, as a whole"


def _node_of(fused: FusedForward) -> str:
    return SCAN_2D if isinstance(fused, FusedSS2D) else SCAN


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
