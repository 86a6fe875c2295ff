"""Layers under a budget, beside every set there is, in float64 and with no code of the product."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest

from tests.quantization.linear_chain import OUTLIER, Array, Chain, chain, pictures
from vmamba_deploy.artifacts.quantization_facts import QuantizationFacts
from vmamba_deploy.errors import BuildError
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.quantization.plan import usual_budget
from vmamba_deploy.quantization.quantize import calibrate
from vmamba_deploy.quantization.selection import Candidate, select, within
from vmamba_deploy.quantization.sensitivity import Sensitivity

_IMAGES = 16


@dataclass(frozen=True)
class Measured:
    """A chain that was calibrated, and the images as float64 arrays."""

    chain: Chain
    facts: QuantizationFacts
    sensitivity: Sensitivity
    images: Array
    largest: dict[int, float]

    def emulated(self, places: Collection[int]) -> float:
        """NMSE of the logits with these layers in 8 bits, by NumPy."""
        plain = self.chain.logits(self.images)
        error = self.chain.logits(self.images, places, self.largest) - plain
        return float(np.sum(error**2) / np.sum(plain**2))

    def saved(self, places: Collection[int]) -> int:
        return sum(self.chain.multiply_adds[place] for place in places)

    def places(self, facts: QuantizationFacts) -> list[int]:
        return [self.chain.names.index(name) for name in facts.quantized]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    rng = np.random.default_rng()
    made = chain(rng)
    model = made.write(tmp_path_factory.mktemp("chain") / "model.onnx")
    images = pictures(rng, model, _IMAGES)
    facts = calibrate(model, images, lambda *_: None, precision="int8")
    arrays = np.concatenate([feed["pixel_values"] for feed in images.feeds()])
    largest = {place: float(np.abs(one).max()) for place, one in enumerate(made.inputs(arrays))}
    return Measured(made, facts, Sensitivity(model, facts, "int8", images), arrays, largest)


def _sets(count: int) -> list[tuple[int, ...]]:
    return [one for size in range(count + 1) for one in combinations(range(count), size)]


def test_any_set_costs_what_float64_says(measured: Measured) -> None:
    for places in _sets(len(measured.chain.names)):
        names = [measured.chain.names[place] for place in places]
        found = measured.sensitivity.nmse(names, whole=True)
        assert found == pytest.approx(measured.emulated(places), rel=0.1, abs=1e-9)


@pytest.mark.parametrize("part", [0.02, 0.3, 2.0])
def test_the_set_is_within_the_budget_and_nearly_the_best(measured: Measured, part: float) -> None:
    # All but the dear layer: what it costs is far above.
    cheap = [place for place in range(len(measured.chain.names)) if place != OUTLIER]
    budget = part * measured.emulated(cheap)
    every = {one: measured.emulated(one) for one in _sets(len(measured.chain.names))}
    # Errors add nearly, not quite, so the best is looked for in a little less.
    best = max(measured.saved(one) for one, cost in every.items() if cost <= 0.7 * budget)
    try:
        facts = select(measured.facts, budget, measured.sensitivity, lambda *_: None)
    except BuildError:
        assert best == 0
        return
    places = measured.places(facts)
    assert measured.emulated(places) <= budget * 1.1
    assert facts.nmse == pytest.approx(measured.emulated(places), rel=0.1)
    assert facts.nmse <= budget
    assert measured.saved(places) >= best - max(measured.chain.multiply_adds)


def test_the_layer_behind_a_large_channel_is_kept_and_told(measured: Measured) -> None:
    limit, budget = PRECISIONS["int8"].thresholds.nmse, usual_budget("int8")
    everything = range(len(measured.chain.names))
    assert measured.emulated(everything) > limit
    facts = select(measured.facts, budget, measured.sensitivity, lambda *_: None)
    kept = facts.layers[OUTLIER]
    assert kept.nmse == pytest.approx(measured.emulated([OUTLIER]), rel=0.5)
    assert kept.kept == f"costs {kept.nmse:.1e} of the outputs' error, of a budget of {budget:.1e}"
    assert facts.nmse <= budget < limit
    assert facts.share > 0.5
    last = facts.curve[-1]
    assert last.share == 1
    assert last.nmse > limit


def test_a_sum_that_says_too_little_is_corrected_by_what_is_measured(measured: Measured) -> None:
    class Doubled:
        """Together layers cost twice what they do alone."""

        def nmse(self, names: list[str], *, whole: bool = False) -> float:
            one = {name: 1e-4 * (place + 1) for place, name in enumerate(measured.chain.names)}
            return sum(map(one.__getitem__, names)) * (1 if len(names) == 1 else 2)

    facts = select(measured.facts, 7e-4, Doubled(), lambda *_: None)
    assert facts.nmse <= 7e-4
    assert 0 < len(facts.quantized) < len(measured.chain.names)


class Together:
    """Stands in for `Sensitivity`: layers cost 1 each, and several a `part` of their sum."""

    def __init__(self, part: float) -> None:
        self.part, self.measured = part, list[int]()

    def nmse(self, names: list[str], *, whole: bool = False) -> float:
        if whole:
            self.measured.append(len(names))
        return len(names) * (self.part if len(names) > 1 else 1.0)


@pytest.mark.parametrize(
    ("part", "sizes"), [(0.25, [2, 5]), (0.5, [2, 4]), (1.0, [2]), (0.9, [2]), (1.2, [2, 1])]
)
def test_a_set_grows_and_shrinks_by_what_was_measured(
    measured: Measured, part: float, sizes: list[int]
) -> None:
    together = Together(part)
    facts = select(measured.facts, 2.0, together, lambda *_: None)
    assert together.measured == sizes
    assert len(facts.quantized) == sizes[-1]


def test_no_layer_within_the_budget_is_told(measured: Measured) -> None:
    with pytest.raises(BuildError, match=r"no set of layers keeps .* below 1\.0e-30"):
        select(measured.facts, 1e-30, measured.sensitivity, lambda *_: None)


def test_what_saves_more_for_its_error_comes_first() -> None:
    dear, cheap, large = (
        Candidate("a", 10, 4e-3),
        Candidate("b", 10, 1e-3),
        Candidate("c", 90, 5e-3),
    )
    assert within([dear, cheap, large], 6e-3) == [large, cheap]
    assert within([dear, cheap, large], 5e-3) == [large]
    # What does not fit is passed over, and a later one fits.
    assert within([dear, cheap, large], 4.9e-3) == [cheap]
    assert within([], 1.0) == []
