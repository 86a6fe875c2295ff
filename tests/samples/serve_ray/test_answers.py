"""What is answered for each task, without Ray."""

from __future__ import annotations

import base64
import io
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from samples.serve_ray.answers import OVERLAY_SIDE, Answers, Wishes, answers_of
from tests.inference.dense_folders import NAMES, noise
from tests.toy_dense import write_folder
from vmamba_deploy.errors import UsageError
from vmamba_deploy.inference import load
from vmamba_deploy.inference.overlay import draw_detections, draw_segmentation

ALL = Wishes(masks=True, overlay=True)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def drawn(url: str) -> np.ndarray:
    """The pixels of a URL that holds a PNG file."""
    start, encoded = url.split(",")
    assert start == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)), formats=["PNG"]))


@pytest.fixture(scope="module")
def segmenting(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense") / "segmentation"
    write_folder(folder, "segmentation", outputs=("logits",))
    with load(folder, runtime="ort", threads=1) as model:
        yield answers_of("segmentation")(model)


@pytest.fixture(scope="module")
def detecting(tmp_path_factory):
    folder = write_folder(tmp_path_factory.mktemp("dense") / "detection", "detection")
    with load(folder, runtime="ort", threads=1) as model:
        yield answers_of("detection")(model)


def fields_of(answers: Answers, encoded: bytes, wishes: Wishes):
    prepared = answers.prepare(encoded)
    (outputs,) = answers.run([prepared])
    return answers.fields(encoded, prepared, outputs, wishes)


def test_a_segmentation_has_the_largest_classes_labels_and_drawing(segmenting):
    pixels = noise(50, 70)
    (expected,) = segmenting.model.segment([pixels])
    fields = fields_of(segmenting, png(pixels), ALL.model_copy(update={"top_k": 2}))
    assert fields["classes"] == [asdict(one) for one in expected.classes()[:2]]
    assert (fields["size"], fields["exact"]) == ((50, 70), True)
    np.testing.assert_array_equal(drawn(fields["labels"]), expected.labels)
    overlay = draw_segmentation(pixels, expected)
    np.testing.assert_array_equal(drawn(fields["overlay"]), np.asarray(overlay))


def test_a_detection_has_boxes_masks_and_drawing(detecting):
    pixels = noise(50, 70)
    (expected,) = detecting.model.detect([pixels], score_threshold=0.5)
    fields = fields_of(detecting, png(pixels), ALL.model_copy(update={"score_threshold": 0.5}))
    assert 0 < len(fields["detections"]) == len(expected) < 5
    for one, wanted in zip(fields["detections"], expected, strict=True):
        assert (one["label"], one["name"]) == (wanted.label, NAMES[wanted.label])
        assert (one["score"], one["box"]) == (wanted.score, wanted.box)
        np.testing.assert_array_equal(coco_mask.decode(one["mask"]), wanted.mask)
    overlay = draw_detections(pixels, expected, detecting.model.palette)
    np.testing.assert_array_equal(drawn(fields["overlay"]), np.asarray(overlay))


@pytest.mark.parametrize("answering", ["segmenting", "detecting"])
def test_what_nobody_asked_for_is_left_out(answering, request):
    fields = fields_of(request.getfixturevalue(answering), png(noise(50, 70)), Wishes())
    assert not {"overlay", "labels"} & set(fields)
    assert all("mask" not in one for one in fields.get("detections", ()))


def test_a_drawing_of_a_photograph_is_made_smaller(detecting):
    overlay = drawn(fields_of(detecting, png(noise(150, 2 * OVERLAY_SIDE)), ALL)["overlay"])
    assert overlay.shape == (75, OVERLAY_SIDE, 3)


@pytest.mark.parametrize("answering", ["segmenting", "detecting"])
def test_pictures_of_one_frame_are_run_together_and_answered_as_alone(answering, request):
    answers = request.getfixturevalue(answering)
    pictures = [png(noise(*size)) for size in ((48, 64), (64, 48), (48, 64), (64, 48), (48, 64))]
    prepared = [answers.prepare(picture) for picture in pictures]
    batches = list(answers.batches(prepared))
    assert batches == [[0, 2, 4], [1, 3]]
    for places in batches:
        together = answers.run([prepared[place] for place in places])
        for place, outputs in zip(places, together, strict=True):
            alone = fields_of(answers, pictures[place], ALL)
            assert answers.fields(pictures[place], prepared[place], outputs, ALL) == alone


@pytest.mark.parametrize(
    ("answering", "name", "value"),
    [
        ("segmenting", "labels", 7),
        ("segmenting", "labels", -1),
        ("segmenting", "logits", np.nan),
        ("detecting", "labels", 7),
        ("detecting", "boxes", np.inf),
    ],
)
def test_a_model_that_answers_nonsense_is_found(answering, name, value, request, monkeypatch):
    answers = request.getfixturevalue(answering)
    probe = answers.prepare(np.zeros(answers.model.preprocessing.crop_pixels, np.uint8))
    answers.check(probe)
    run = answers.model.run_together

    def broken(prepared):
        outputs = run(prepared)
        outputs[0][name].flat[0] = value
        return outputs

    monkeypatch.setattr(answers.model, "run_together", broken)
    with pytest.raises(RuntimeError, match="black image"):
        answers.check(probe)


def test_a_classifier_of_other_classes_than_it_says_is_found(digits_artifact, monkeypatch):
    with load(digits_artifact(engine=False), runtime="ort", threads=1) as model:
        answers = answers_of("classification")(model)
        probe = answers.prepare(np.zeros((32, 32), np.uint8))
        answers.check(probe)
        run = answers.run
        fewer = [{"logits": run([probe])[0]["logits"][:-1]}]
        monkeypatch.setattr(answers, "run", lambda _prepared: fewer)
        with pytest.raises(RuntimeError, match="black image"):
            answers.check(probe)


def test_artefacts_whose_outputs_are_for_programs_are_not_served():
    with pytest.raises(UsageError, match="features are not served"):
        answers_of("features")
