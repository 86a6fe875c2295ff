import math
import subprocess
import sys

import numpy as np
import pytest

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.tasks import CLASSIFICATION, DETECTION, FEATURES, SEGMENTATION, TASKS
from vmamba_deploy.tasks.classification import top_predictions


def test_tasks_are_found_by_their_names_and_name_their_outputs():
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}
    assert CLASSIFICATION.output_names == ("logits",)
    assert FEATURES.output_names == ("feature0", "feature1", "feature2", "feature3")
    assert {output.kind for output in FEATURES.outputs} == {"map"}
    for task in TASKS.values():
        assert len(set(task.output_names)) == len(task.outputs) > 0


def test_a_file_may_have_optional_outputs_or_former_names():
    former = FEATURES.with_outputs(["stage1", "stage2", "stage3", "stage4"])
    assert former.output_names == ("stage1", "stage2", "stage3", "stage4")
    assert [each.shape for each in former.outputs] == [each.shape for each in FEATURES.outputs]
    assert FEATURES.with_outputs(FEATURES.output_names) == FEATURES
    with_logits = SEGMENTATION.with_outputs(["labels", "logits"])
    assert with_logits == SEGMENTATION.with_optional(["logits"])
    assert SEGMENTATION.with_outputs(["labels"]) == SEGMENTATION
    for task, names in (
        (FEATURES, ["stage1", "feature1", "feature2", "feature3"]),
        (FEATURES, ["stage1"]),
        (SEGMENTATION, ["logits", "labels"]),
        (DETECTION, DETECTION.output_names[:-1]),
        (CLASSIFICATION, []),
    ):
        assert task.with_outputs(names) is None, names


def test_tasks_need_nothing_heavier_than_numpy():
    program = (
        "import sys; import vmamba_deploy.tasks; "
        "print(*sorted({'torch', 'onnx', 'onnxruntime', 'PIL', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_the_best_classes_are_a_softmax_with_ties_to_the_lower_index():
    logits = np.array([[0.0, np.log(3.0), 0.0, -1e4]], dtype=np.float32)
    (best,) = top_predictions(logits, ("a", "b"), 3)
    assert [(one.index, one.label) for one in best] == [(1, "b"), (0, "a"), (2, "2")]
    assert [one.probability for one in best] == pytest.approx([0.6, 0.2, 0.2])
    assert len(top_predictions(logits, None, 9)[0]) == 4


def test_probabilities_are_those_of_the_activation():
    logits = np.random.default_rng().normal(0, 30, (3, 5)).astype(np.float32)
    logits[0, :2] = 800.0, -800.0  # exp of neither is a float64
    for row, best in zip(logits, top_predictions(logits, None, 9, "sigmoid"), strict=True):
        assert [one.index for one in best] == np.argsort(-row, kind="stable").tolist()
        for one in best:
            expected = (1 + math.tanh(float(row[one.index]) / 2)) / 2
            assert one.probability == pytest.approx(expected, abs=1e-12)


def test_a_single_logit_is_its_sigmoid_and_never_a_softmax():
    one = np.array([[np.log(3.0)], [-np.log(3.0)]], dtype=np.float32)
    shares = [best.probability for (best,) in top_predictions(one, ("yes",), 5)]
    assert shares == pytest.approx([0.75, 0.25])
    with pytest.raises(UsageError, match="softmax of a single logit"):
        top_predictions(one, None, 1, "softmax")


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(InputFileError, match="not finite"):
        top_predictions(np.array([[0.0, np.inf]], dtype=np.float32), None, 1)
