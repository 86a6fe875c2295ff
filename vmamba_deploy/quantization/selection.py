"""Which linear layers are quantized under a budget of the outputs' error.

What layers cost alone adds up to what they cost together, nearly. So each is measured once; they
are taken in the order of what they save for it, while the sum stays within the budget; and the set
is measured at the end. Where its error is not the sum, more or fewer are taken and measured again.
No set is measured for each layer that might join it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from msgspec.structs import replace

from vmamba_deploy.artifacts.quantization_facts import LayerFacts, QuantizationFacts, SetFacts
from vmamba_deploy.errors import BuildError
from vmamba_deploy.quantization.calibration import Progress
from vmamba_deploy.quantization.sensitivity import Sensitivity

_CURVE_SHARES = (0.25, 0.5, 0.75, 1.0)
_ATTEMPTS = 8
_WHAT = "choosing layers"


@dataclass(frozen=True)
class Candidate:
    """A layer that may be quantized.

    Attributes:
        name: of the layer, or of all that share its weight.
        multiply_adds: that are saved.
        nmse: of the outputs, with this layer alone in 8 bits.
    """

    name: str
    multiply_adds: int
    nmse: float


def by_worth(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The least error for each saved multiply-add first."""
    return sorted(candidates, key=lambda one: (one.nmse / max(one.multiply_adds, 1), one.name))


def within(candidates: Iterable[Candidate], budget: float) -> list[Candidate]:
    """Those that are taken, in the order of their worth, while the sum of errors stays within.

    One that does not fit is left out, and later ones may still fit.
    """
    taken, total = [], 0.0
    for one in by_worth(candidates):
        if total + one.nmse <= budget:
            taken.append(one)
            total += one.nmse
    return taken


def select(
    facts: QuantizationFacts, budget: float, sensitivity: Sensitivity, progress: Progress
) -> QuantizationFacts:
    """Choose layers, and record what each costs, and why those were kept that are.

    Args:
        facts: of the calibration; layers that it keeps are not looked at.
        budget: NMSE of the outputs on calibration images, at most.
        sensitivity: measures sets of layers.
        progress: told the fraction done.

    Raises:
        BuildError: no layer fits in the budget.
        InputFileError: the network does not run on an image.
    """
    candidates = _measured(facts, sensitivity, progress)
    chosen, nmse = _verified(candidates, budget, sensitivity)
    curve = _curve(facts, candidates, sensitivity)
    costs = {one.name: one.nmse for one in candidates}
    taken = {one.name for one in chosen}
    layers = tuple(
        _told(layer, costs[layer.name], taken, budget) if layer.name in costs else layer
        for layer in facts.layers
    )
    return replace(facts, layers=layers, max_nmse=budget, nmse=nmse, curve=curve)


def _told(layer: LayerFacts, cost: float, taken: set[str], budget: float) -> LayerFacts:
    why = f"costs {cost:.1e} of the outputs' error, of a budget of {budget:.1e}"
    kept = None if layer.name in taken else why
    return replace(layer, nmse=cost if math.isfinite(cost) else None, kept=kept)


def _measured(
    facts: QuantizationFacts, sensitivity: Sensitivity, progress: Progress
) -> list[Candidate]:
    found = []
    names = list(facts.quantized)
    for place, name in enumerate(names):
        progress(_WHAT, place / len(names))
        saved = sum(layer.multiply_adds for layer in facts.layers if layer.name == name)
        found.append(Candidate(name, saved, sensitivity.nmse([name])))
    return found


def _verified(
    candidates: Sequence[Candidate], budget: float, sensitivity: Sensitivity
) -> tuple[list[Candidate], float]:
    """A set that is within the budget when it is measured, and its error.

    Raises:
        BuildError: there is none.
    """
    best: tuple[list[Candidate], float] | None = None
    allowed, too_much = budget, math.inf
    for _ in range(_ATTEMPTS):
        chosen = within(candidates, allowed)
        if not chosen or (best is not None and _saved(chosen) <= _saved(best[0])):
            break
        nmse = sensitivity.nmse([one.name for one in chosen], whole=True)
        total = sum(one.nmse for one in chosen)
        if nmse <= budget:
            best = chosen, nmse
        else:
            too_much = total
        # As many more or fewer as the sum was off by, and fewer than in a set that was too much.
        allowed = total * budget / nmse if nmse > 0 else math.inf
        allowed = min(allowed, math.nextafter(too_much, 0.0))
    if best is not None:
        return best
    least = min(one.nmse for one in candidates)
    raise BuildError(
        f"no set of layers keeps the outputs' error below {budget:.1e} in 8 bits: one alone costs "
        f"{least:.1e} or more",
        hint="allow more with --max-nmse, or export in fp16",
    )


def _saved(candidates: Iterable[Candidate]) -> int:
    return sum(one.multiply_adds for one in candidates)


def _curve(
    facts: QuantizationFacts, candidates: Sequence[Candidate], sensitivity: Sensitivity
) -> tuple[SetFacts, ...]:
    """Some sets from few layers to all of them, measured."""
    order = by_worth(candidates)
    total = sum(layer.multiply_adds for layer in facts.layers)
    shares = [saved / total for saved in accumulate(one.multiply_adds for one in order)]
    counts = [sum(share <= wanted * shares[-1] for share in shares) for wanted in _CURVE_SHARES]
    return tuple(
        SetFacts(
            share=shares[count - 1],
            expected=sum(one.nmse for one in order[:count]),
            nmse=sensitivity.nmse([one.name for one in order[:count]]),
        )
        for count in dict.fromkeys(counts)
        if count
    )
