"""What calibration sees, beside the same network in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest

from tests.quantization.linear_chain import SIDE, Array, Chain, chain, pictures
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.quantization.arrays import arrays_given
from vmamba_deploy.quantization.calibration import ObserveValues, Seen, observe

IMAGES = 5


@pytest.fixture
def made(tmp_path) -> tuple[Chain, OnnxModel]:
    one = chain(np.random.default_rng())
    return one, one.write(tmp_path / "model.onnx")


def quiet(_what: str, _done: float | None) -> None:
    """Nobody is told."""


def sources(model: OnnxModel) -> list[str]:
    """What each layer reads."""
    return [node.inputs[0].name for node in model.ir.graph if node.op_type == "MatMul"]


def expected(one: Chain, images: Array) -> dict[int, Seen]:
    inputs = one.inputs(images)
    return {
        place: Seen(float(np.abs(value).max()), value[0].size) for place, value in enumerate(inputs)
    }


def test_the_largest_value_and_the_size_are_those_of_float64(made) -> None:
    one, model = made
    images = pictures(np.random.default_rng(), model, IMAGES)
    pixels = np.concatenate([feed["pixel_values"] for feed in images.feeds()])
    names = sources(model)
    seen = observe(model, names, images, quiet)
    assert list(seen) == names
    for place, wanted in expected(one, pixels).items():
        found = seen[names[place]]
        assert found.largest == pytest.approx(wanted.largest, rel=1e-5)
        assert found.elements == wanted.elements


def test_a_value_below_zero_counts_and_any_image_may_have_it(made) -> None:
    _, model = made
    samples = [{"pixel_values": np.zeros((1, 3, SIDE, SIDE), np.float32)} for _ in range(3)]
    samples[1]["pixel_values"][0, 2, 4, 5] = -77.5
    seen = observe(model, ["map"], arrays_given(samples, model), quiet)
    assert seen == {"map": Seen(77.5, 3 * SIDE * SIDE)}


def test_a_value_that_is_named_twice_is_looked_at_once(made) -> None:
    _, model = made
    images = pictures(np.random.default_rng(), model, 1)
    assert list(observe(model, ["map", "gated", "map"], images, quiet)) == ["map", "gated"]


def test_the_file_stays_as_it_was(made) -> None:
    _, model = made
    before = ir.to_proto(model.ir).SerializeToString(deterministic=True)
    observe(model, sources(model), pictures(np.random.default_rng(), model, 1), quiet)
    assert ir.to_proto(model.ir).SerializeToString(deterministic=True) == before


def test_progress_is_told_image_by_image(made) -> None:
    _, model = made
    told: list[tuple[str, float | None]] = []
    images = pictures(np.random.default_rng(), model, 4)
    observe(model, ["map"], images, lambda what, done: told.append((what, done)))
    assert told == [("calibrating", place / 4) for place in range(4)]


@pytest.mark.parametrize("worst", [np.nan, np.inf])
def test_a_network_that_overflows_is_refused(made, tmp_path, worst: float) -> None:
    one, _ = made
    weights = [weight.copy() for weight in one.weights]
    weights[0][0, 0] = worst
    broken = replace(one, weights=tuple(weights)).write(tmp_path / "broken.onnx")
    images = pictures(np.random.default_rng(), broken, 1)
    with pytest.raises(InputFileError, match="NaN or infinity") as told:
        observe(broken, sources(broken), images, quiet)
    assert "parity report" in told.value.hint


def test_two_numbers_leave_for_each_value_and_no_map(made) -> None:
    _, model = made
    copy = model.ir.clone()
    assert ObserveValues(["map", "gated"])(copy).modified
    added = [value.name for value in copy.graph.outputs][1:]
    assert added == ["largest__0", "size__0", "largest__1", "size__1"]
    assert not ObserveValues([])(model.ir.clone()).modified
