import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

from tests.digits import digits_of
from tests.processes import HANG_S
from vmamba_deploy.errors import ClosedError, InputFileError, UsageError
from vmamba_deploy.inference import load
from vmamba_deploy.inference.classifier import Classifier
from vmamba_deploy.inference.lanes import LanePool
from vmamba_deploy.inference.model import OpenModel


@pytest.fixture(scope="module")
def model(artifact):
    with load(artifact, runtime="ort", streams=3, threads=1) as opened:
        yield opened


def test_real_images_get_their_labels(model, images):
    predictions = model.classify(images[:100], top_k=3)
    truth = [path.parent.name for path in images[:100]]
    assert (
        np.mean([top[0].label == label for top, label in zip(predictions, truth, strict=True)])
        > 0.95
    )
    for top in predictions:
        assert len(top) == 3
        assert top[0].probability >= top[1].probability >= top[2].probability >= 0
        assert sum(one.probability for one in top) <= 1 + 1e-9
        assert all(one.label == model.labels[one.index] for one in top)


def test_logits_are_those_of_the_file_in_any_batch(model, artifact, images):
    pixels = model.preprocess(images[:70])
    assert pixels.shape == (70, 3, 32, 32)
    stock = ort.InferenceSession(str(artifact / "model.onnx"))
    (expected,) = stock.run(None, {"pixel_values": pixels})
    # 70 is more than two executions of 32 at most.
    np.testing.assert_allclose(model(pixels), expected, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(model(pixels[:1]), model(pixels)[:1])


def test_every_kind_of_image_gives_the_same(model, images):
    with Image.open(images[0]) as opened:
        array = np.asarray(opened)
        kinds = [images[0], str(images[0]), images[0].read_bytes(), opened.copy(), array]
        rgb = np.repeat(array[:, :, None], 3, axis=2)
    first, *others = model.classify([*kinds, rgb])
    assert all(other == first for other in others)


def test_one_array_is_one_image_and_a_batch_is_several(model):
    rgb = np.random.default_rng().integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    one_by_one = model.classify(list(rgb))
    assert model.classify(rgb) == one_by_one
    assert model.classify(rgb[0]) == one_by_one[:1]
    assert model.classify(rgb[0, ..., 0]) == model.classify([rgb[0, ..., 0]])
    assert model.classify(rgb[:0]) == []
    for shape in [(40,), (1, 3, 40, 50, 3)]:
        with pytest.raises(UsageError, match=r"nor a batch \[B,H,W,C\]"):
            model.classify(np.zeros(shape, np.uint8))
    for wrong in (rgb[..., 0], rgb.transpose(0, 3, 1, 2), rgb[0, :0], rgb.astype(np.float32)):
        with pytest.raises(InputFileError, match=r"expected uint8 \[H,W,3\] RGB or \[H,W\] grey"):
            model.classify(wrong)


def test_many_threads_get_their_own_results(model):
    digits = digits_of("test")
    pixels = model.preprocess(list(digits.images[:60]))
    expected = model(pixels)
    rng = np.random.default_rng()
    picks = [rng.integers(0, 60, rng.integers(1, 9)) for _ in range(80)]
    with ThreadPoolExecutor(8) as pool:
        for pick, logits in zip(picks, pool.map(lambda p: model(pixels[p]), picks), strict=True):
            np.testing.assert_allclose(logits, expected[pick], rtol=0, atol=1e-4)


def test_what_the_model_does_not_take_is_refused(model, images):
    good = model.preprocess(images[:2])
    for bad in (good[0], good[:, :, :-1], good.astype(np.float64), good[:0], good[:, :2]):
        with pytest.raises(UsageError, match="the model takes pixel_values"):
            model(bad)
    with pytest.raises(UsageError, match="top_k"):
        model.classify(images[:1], top_k=0)
    with pytest.raises(UsageError, match="one image was given"):
        model.classify(str(images[0]))
    assert model.classify([]) == []


def test_a_bad_image_is_named(model, images, tmp_path):
    (tmp_path / "notes.png").write_text("no image")
    with pytest.raises(InputFileError, match=r"notes\.png is not an image"):
        model.classify([images[0], tmp_path / "notes.png"])


def test_bytes_go_to_a_model_that_normalises_itself(digits_artifact, model, images):
    with load(digits_artifact("fp32", preprocess=True, engine=False)) as inside:
        pixels = inside.preprocess(images[:5])
        assert pixels.dtype == np.uint8
        assert pixels.shape == (5, 32, 32, 3)
        outside = model(model.preprocess(images[:5]))
        np.testing.assert_allclose(inside(pixels), outside, rtol=0, atol=1e-4)


def test_a_closed_model_says_so(artifact, images):
    with load(artifact, runtime="ort", streams=1) as opened:
        pixels = opened.preprocess(images[:1])
    with pytest.raises(ClosedError, match="this model is closed"):
        opened(pixels)
    with pytest.raises(ClosedError, match="this model is closed"):
        opened(np.repeat(pixels, 100, axis=0))
    opened.close()


def test_calls_that_meet_close_end_well_or_are_told(artifact, model):
    """Of one execution and of several, while two threads close at once."""
    pixels = np.random.default_rng().random((70, 3, 32, 32), np.float32)
    expected = model(pixels)

    def call_for_ever(opened, count):
        while True:
            np.testing.assert_allclose(opened(pixels[:count]), expected[:count], rtol=0, atol=1e-4)

    for _ in range(8):
        opened = load(artifact, runtime="ort", streams=2, threads=1, verify=False)
        under_way = threading.Barrier(6)

        def calls(count, opened=opened, under_way=under_way):
            opened(pixels[:count])
            under_way.wait(HANG_S)
            with pytest.raises(ClosedError):
                call_for_ever(opened, count)

        def closes(opened=opened, under_way=under_way):
            under_way.wait(HANG_S)
            opened.close()
            with pytest.raises(ClosedError):
                opened(pixels[:1])

        with ThreadPoolExecutor(6) as pool:
            started = [pool.submit(calls, count) for count in (1, 33, 70, 70)]
            started += [pool.submit(closes) for _ in range(2)]
            for thread in started:
                thread.result(HANG_S)


class Echo:
    """A session that keeps the batches it was given and answers with each image's first value."""

    def __init__(self):
        self.batches = []

    def __call__(self, pixels):
        self.batches.append(len(pixels))
        first = pixels.reshape(len(pixels), -1)[:, :1].astype(np.float32)
        return {"logits": np.concatenate([first, -first], axis=1)}

    def close(self):
        self.batches.append("closed")


def echoing(model, batches, released=lambda: None):
    echo = Echo()
    return echo, Classifier(model.manifest, OpenModel("echo", LanePool([echo]), batches, released))


def test_batches_are_split_at_the_largest_and_filled_to_the_smallest(model):
    echo, classifier = echoing(model, (3, 4))
    pixels = np.random.default_rng().standard_normal((9, 3, 32, 32), dtype=np.float32)
    np.testing.assert_array_equal(classifier(pixels)[:, 0], pixels[:, 0, 0, 0])
    assert sorted(echo.batches) == [3, 4, 4]


def test_closing_frees_sessions_before_what_they_stand_on(model):
    order = []
    echo, classifier = echoing(model, (1, 4), lambda: order.append(list(echo.batches)))
    classifier.close()
    assert order == [["closed"]]


def test_ties_go_to_the_lower_index_and_no_probability_overflows(model):
    _, classifier = echoing(model, (1, 4))
    (top,) = classifier.top(np.array([[1e4, 1e4, -1e4]], dtype=np.float32), 3)
    assert [one.index for one in top] == [0, 1, 2]
    assert [one.probability for one in top] == [0.5, 0.5, 0.0]
    assert [one.label for one in classifier.top(np.zeros((1, 12), np.float32), 12)[0][9:]] == [
        "9",
        "10",
        "11",
    ]


def test_logits_that_are_not_finite_are_no_prediction(model):
    _, classifier = echoing(model, (1, 4))
    with pytest.raises(InputFileError, match="not finite"):
        classifier.top(np.array([[np.nan, 1]], dtype=np.float32), 1)
