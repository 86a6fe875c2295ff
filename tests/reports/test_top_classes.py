"""The classes that a report shows of photographs are those of the logits."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from tests.reports.test_pictures import opened
from vmamba_deploy.parity.exhibits import Exhibit
from vmamba_deploy.reports.top_classes import top_classes
from vmamba_deploy.tasks import CLASSIFICATION, SEGMENTATION

LABELS = ["crow", "jay", "owl", "tern", "wren", "rook"]
LOGITS = np.log(np.array([0.5, 0.2, 0.1, 0.1, 0.06, 0.04]))
PIXELS = np.random.default_rng().integers(0, 256, (300, 200, 3), dtype=np.uint8)


def shown(got, runtime="tensorrt", photo="cat"):
    return Exhibit(runtime, photo, PIXELS, (300, 200), {"logits": LOGITS}, {"logits": got})


def facts(task=CLASSIFICATION, **metadata):
    return SimpleNamespace(task=task, metadata=metadata)


def test_both_sides_are_there_in_their_own_order():
    swapped = LOGITS[[1, 0, 2, 3, 4, 5]]
    exhibits = [shown(swapped), shown(LOGITS, "openvino"), shown(swapped, photo="coffee")]
    cat, coffee = top_classes(exhibits, facts(), LABELS)
    assert (cat.name, coffee.name) == ("cat", "coffee")
    assert [one.label for one in cat.reference] == LABELS[:5]
    assert [round(one.probability, 3) for one in cat.reference] == [0.5, 0.2, 0.1, 0.1, 0.06]
    assert [one.label for one in cat.runtimes["tensorrt"]][:2] == ["jay", "crow"]
    assert cat.runtimes["openvino"] == cat.reference
    assert max(opened(cat.uri).shape) == 160


def test_the_activation_is_the_files_and_classes_without_names_have_numbers():
    (photo,) = top_classes([shown(LOGITS)], facts(activation="sigmoid"), None)
    assert photo.reference[0].label == "0"
    assert round(photo.reference[0].probability, 4) == round(0.5 / 1.5, 4)


def test_logits_that_are_not_finite_are_no_classes():
    (photo,) = top_classes([shown(LOGITS * np.nan)], facts(), LABELS)
    assert photo.runtimes == {"tensorrt": None}


def test_other_tasks_show_none():
    assert top_classes([shown(LOGITS)], facts(SEGMENTATION), LABELS) == []
