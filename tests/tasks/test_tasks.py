import subprocess
import sys

import numpy as np
import pytest

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.tasks import CLASSIFICATION, FEATURES, TASKS
from vmamba_deploy.tasks.classification import top_predictions


def test_tasks_are_found_by_their_names_and_name_their_outputs():
    assert {name: task.name for name, task in TASKS.items()} == {name: name for name in TASKS}
    assert CLASSIFICATION.output_names == ("logits",)
    assert FEATURES.output_names == ("stage1", "stage2", "stage3", "stage4")
    assert {output.kind for output in FEATURES.outputs} == {"map"}
    for task in TASKS.values():
        assert len(set(task.output_names)) == len(task.outputs) > 0


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


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(InputFileError, match="not finite"):
        top_predictions(np.array([[0.0, np.inf]], dtype=np.float32), None, 1)
