import numpy as np
import pytest

from vmamba_deploy.parity.compare import compare_runtimes
from vmamba_deploy.parity.figures import Answer
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.parity.kinds import KINDS
from vmamba_deploy.parity.kinds.map import compare_maps
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.tasks import FEATURES, TASKS

LIMITS = PRECISIONS["fp32"].thresholds


class Maps:
    """Four maps that a test may spoil by name."""

    name = "onnxruntime-body"

    def __init__(self, **spoil):
        self.spoil = spoil

    def status(self):
        return RuntimeStatus(True, "here")

    def open(self):
        return self

    def close(self):
        pass

    def __call__(self, pixel_values):
        maps = {
            f"feature{stage - 1}": np.repeat(pixel_values, stage, axis=1)[:, :, ::stage, ::stage]
            for stage in (1, 2, 3, 4)
        }
        for name, change in self.spoil.items():
            maps[name] = change(maps[name])
        return {name: one for name, one in maps.items() if one is not None}


def answer(reference, candidate):
    return Answer(("map",), {"map": reference}, {"map": candidate})


def compare(**spoil):
    rng = np.random.default_rng()
    sets = [
        InputSet(f"set-{b}", rng.standard_normal((b, 3, 12, 12), dtype=np.float32), ("x",) * b)
        for b in (1, 3)
    ]
    (result,) = compare_runtimes(Maps(), [Maps(**spoil)], sets, "fp32", task=FEATURES)
    return result


def test_every_kind_of_output_can_be_judged():
    assert {output.kind for task in TASKS.values() for output in task.outputs} <= set(KINDS)


def test_figures_against_values_worked_out_by_hand():
    reference = np.array([[[[3.0, -1.0]], [[1.0, -3.0]]]])
    candidate = reference + np.array([[[[0.0, 0.0]], [[0.0, 0.5]]]])
    metrics = compare_maps(answer(reference, candidate), LIMITS)
    spread = 5**0.5
    assert metrics.images == 1
    assert (metrics.max_abs, metrics.mean_abs) == (0.5, 0.125)
    assert metrics.nmse == pytest.approx(0.25 / 20)
    assert metrics.max_spread == pytest.approx(0.5 / spread)
    assert metrics.max_rel == pytest.approx(0.5 / (spread + 3))
    assert not hasattr(metrics, "top1_agreement")


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3, 5), (0, 2, 3, 4)])
def test_unusable_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="shape"):
        compare_maps(answer(np.zeros(shape), np.zeros((1, 2, 3, 4))[: shape[0]]), LIMITS)


def test_right_maps_pass_and_each_has_its_figures():
    result = compare()
    assert (result.status, result.reason) == ("passed", "")
    assert [(one.name, one.kind) for one in result.outputs] == [
        (f"feature{stage - 1}", "map") for stage in (1, 2, 3, 4)
    ]
    assert {one.metrics.images for one in result.outputs} == {4}


def test_a_wrong_map_fails_by_name_and_is_the_one_furthest_off():
    result = compare(feature2=lambda one: one * 1.01)
    assert result.status == "failed"
    assert "set-3: feature2: nmse" in result.reason
    assert "feature1" not in result.reason
    assert (result.output, {one.output for one in result.inputs}) == ("feature2", {"feature2"})
    assert result.metrics == result.outputs[2].metrics
    assert result.outputs[0].metrics.nmse == 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda one: np.where(one == one.max(), np.nan, one), "feature1: 2 output values are NaN"),
        (lambda one: one[:, :-1], "feature1 have shape"),
        (lambda one: None, "there is no output feature1"),
        (lambda one: one[..., ::-1], "feature1: nmse"),
    ],
)
def test_wrong_maps_fail_and_say_why(change, word):
    result = compare(feature1=change)
    assert result.status == "failed"
    assert word in result.reason
