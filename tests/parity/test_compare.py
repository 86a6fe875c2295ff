import numpy as np
import pytest

from vmamba_deploy.errors import EnvironmentProblem, InputFileError, UsageError
from vmamba_deploy.parity.compare import compare_runtimes
from vmamba_deploy.parity.inputs import InputSet
from vmamba_deploy.runtimes.base import RuntimeStatus
from vmamba_deploy.tasks.custom import custom_task
from vmamba_deploy.tasks.task import Input, Output

CLASSES = 20


class Fake:
    """A linear classifier whose logits a test may spoil."""

    def __init__(self, spoil=None, *, name="onnxruntime-body", available=True):
        self.name, self.spoil, self.available = name, spoil, available
        self.opened = self.closed = 0

    def status(self):
        return RuntimeStatus(self.available, "no such GPU" if not self.available else "here")

    def open(self):
        self.opened += 1
        return self

    def close(self):
        self.closed += 1

    def __call__(self, pixel_values):
        weight = np.random.default_rng(5).standard_normal((3 * 8 * 8, CLASSES)).astype(np.float32)
        logits = pixel_values.reshape(len(pixel_values), -1) @ weight
        return {"logits": logits if self.spoil is None else self.spoil(logits)}


def inputs(*batches):
    rng = np.random.default_rng()
    return [
        InputSet(f"set-{index}", rng.standard_normal((b, 3, 8, 8), dtype=np.float32), ("x",) * b)
        for index, b in enumerate(batches)
    ]


def compare(spoil=None, precision="fp32", batches=(1, 4)):
    candidate = Fake(spoil)
    (result,) = compare_runtimes(Fake(name="pytorch"), [candidate], inputs(*batches), precision)
    assert candidate.opened == candidate.closed == 1
    return result


def test_right_runtime_passes_with_all_figures():
    result = compare()
    assert (result.status, result.reason, result.runtime) == ("passed", "", "onnxruntime-body")
    assert result.metrics.max_abs == 0
    assert result.metrics.top1_agreement == 1
    assert [one.batch for one in result.inputs] == [1, 4]
    assert all(one.seconds >= 0 for one in result.inputs)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda y: y + 0.5, "nmse"),
        (lambda y: y[:, ::-1], "cosine"),
        (lambda y: np.where(np.arange(CLASSES) == 7, np.nan, y), "NaN"),
        (lambda y: np.full_like(y, np.inf), "NaN"),
        (lambda y: y[:, :-1], "shape"),
        (lambda y: y[0], "shape"),
    ],
)
def test_wrong_runtime_fails_and_says_why(spoil, word):
    result = compare(spoil)
    assert result.status == "failed"
    assert word in result.reason


def test_one_bad_image_of_a_batch_fails_that_set_only():
    def spoil(logits):
        if len(logits) == 4:
            logits[2] = np.roll(logits[2], 1)
        return logits

    result = compare(spoil)
    assert [one.passed for one in result.inputs] == [True, False]
    assert result.status == "failed"
    assert "set-1" in result.reason
    assert result.metrics.top1_agreement == pytest.approx(4 / 5)


def test_error_allowed_in_half_precision_is_not_allowed_in_fp32():
    def spoil(logits):
        return logits * (1 + 2e-3 * np.sin(np.arange(CLASSES)))

    assert compare(spoil, "fp16").status == "passed"
    assert compare(spoil, "fp32").status == "failed"


def test_exceptions_are_recorded_and_the_others_still_run():
    def broken(_logits):
        raise RuntimeError("no kernel\nfor op")

    class Unopenable(Fake):
        def open(self):
            raise OSError("bad plan")

    runtimes = [Fake(broken, name="tensorrt"), Unopenable(name="tensorrt_rtx"), Fake()]
    results = compare_runtimes(Fake(name="pytorch"), runtimes, inputs(2), "fp32")
    assert [result.status for result in results] == ["failed", "failed", "passed"]
    assert "RuntimeError" in results[0].reason
    assert "no kernel for op" in results[0].reason
    assert "cannot load the model: OSError: bad plan" in results[1].reason
    assert runtimes[0].closed == 1


def test_unavailable_runtime_is_skipped_unopened():
    candidate = Fake(name="tensorrt_rtx", available=False)
    (result,) = compare_runtimes(Fake(name="pytorch"), [candidate], inputs(1), "bf16")
    assert (result.status, result.reason, candidate.opened) == ("skipped", "no such GPU", 0)
    assert result.metrics is None


def test_a_runtime_that_turns_out_to_lack_something_is_skipped():
    class Unbuildable(Fake):
        def open(self):
            raise EnvironmentProblem("no compiler")

    (result,) = compare_runtimes(Fake(name="pytorch"), [Unbuildable()], inputs(1), "fp32")
    assert result.status == "skipped"
    assert "no compiler" in result.reason


def test_reference_must_run_and_be_finite():
    with pytest.raises(EnvironmentProblem, match="no such GPU"):
        compare_runtimes(Fake(available=False), [Fake()], inputs(1), "fp32")
    with pytest.raises(InputFileError, match="NaN"):
        compare_runtimes(Fake(lambda y: y * np.nan), [Fake()], inputs(1), "fp32")


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (UsageError("too large"), UsageError),
        (MemoryError(), MemoryError),
        (RuntimeError("no kernel"), EnvironmentProblem),
    ],
)
def test_a_failing_reference_is_no_parity_error(raised, expected):
    def broken(_logits):
        raise raised

    with pytest.raises(expected):
        compare_runtimes(Fake(broken, name="pytorch"), [Fake()], inputs(1), "fp32")


@pytest.mark.parametrize(("fails_from", "expected"), [(1, EnvironmentProblem), (4, InputFileError)])
def test_a_network_of_ones_own_that_runs_as_it_was_traced_alone(fails_from, expected):
    def broken(logits):
        if len(logits) >= fails_from:
            raise RuntimeError("sizes must match")
        return logits

    own = custom_task(
        [Input("frames", "float32", ("batch", 3, 8, 8))],
        [Output("logits", "logits", ("batch", CLASSES))],
    )
    with pytest.raises(expected, match="sizes must match") as raised:
        compare_runtimes(Fake(broken, name="pytorch"), [Fake()], inputs(1, 4), "fp32", task=own)
    assert ("frames [4, 3, 8, 8]" in raised.value.message) == (expected is InputFileError)


def test_a_comparison_is_quiet_and_progress_ends_at_one(capfd):
    told = []
    compare_runtimes(
        Fake(name="pytorch"),
        [Fake(lambda y: y + 1)],
        inputs(1, 2),
        "fp32",
        progress=lambda message, fraction: told.append((message, fraction)),
    )
    assert capfd.readouterr() == ("", "")
    assert [message for message, _ in told] == [
        "pytorch (reference)",
        "onnxruntime-body",
        "compared",
    ]
    assert [fraction for _, fraction in told] == [0.0, 0.5, 1.0]
