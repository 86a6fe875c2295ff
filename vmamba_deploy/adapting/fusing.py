"""Finding the form that a mixer's own forward has: the first that gives what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from torch import nn

from vmamba_deploy.adapting.adapted_forward import FusedForward
from vmamba_deploy.adapting.fused import mamba, ss2d
from vmamba_deploy.adapting.tensors import tensor_of
from vmamba_deploy.adapting.verification import Judge, OwnForwardError, agrees
from vmamba_deploy.models.vmamba.layers.ss2d import ScanBackend

# Of maps and sequences that are tried; the sides differ from each other and from the channels. A
# dozen pixels tell every order of routes from the others, and the loop over them takes the time.
_MAPS = ((1, 3, 4), (2, 5, 2))
_SEQUENCES = ((1, 7), (2, 3))
_SIDE_IN_PLACE_OF_CHANNELS = 9
_NO_FORM = "not replaced as a whole: its forward gives what no known form gives"

Form = TypeVar("Form")


class Fuser:
    """Makes forwards for the mixers of one network.

    What was found for a class is tried first for the next module of it. A class of which one module
    has no known form is not tried again: its calls are replaced, which needs no form.
    """

    def __init__(self) -> None:
        self._found: dict[type, Any] = {}
        self._without_form: set[type] = set()

    def fused(self, module: nn.Module) -> tuple[FusedForward | None, str | None]:
        """A forward that was verified; else why not, None where the module is no mixer."""
        find = self._finder(module)
        if find is None:
            return None, None
        if type(module) in self._without_form:
            return None, _NO_FORM
        try:
            found = find(module)
        except OwnForwardError as error:
            return None, f"not replaced as a whole: {error}"
        if found is None:
            self._without_form.add(type(module))
            return None, _NO_FORM
        return found, None

    def _finder(self, module: nn.Module) -> Callable[[nn.Module], FusedForward | None] | None:
        if ss2d.looks_like_ss2d(module):
            return self._ss2d
        return self._mamba if mamba.directions(module) else None

    def _ss2d(self, module: nn.Module) -> FusedForward | None:
        channels_first, judge = _layout(module)
        return self._first(judge, module, ss2d.forms(module, channels_first), ss2d.FusedSS2D)

    def _mamba(self, module: nn.Module) -> FusedForward | None:
        channels = tensor_of(module, "out_proj.weight").shape[0]
        judge = Judge(module, [(*batch_and_length, channels) for batch_and_length in _SEQUENCES])
        return self._first(judge, module, mamba.forms(module), mamba.FusedMamba)

    def _first(
        self,
        judge: Judge,
        module: nn.Module,
        forms: Iterable[Form],
        make: Callable[[nn.Module, Form, ScanBackend], FusedForward],
    ) -> FusedForward | None:
        likely = self._found.get(type(module))
        for form in sorted(forms, key=lambda form: form != likely):
            if agrees(judge.nmse(make(module, form, "reference"))):
                self._found[type(module)] = form
                return make(module, form, "native")
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
