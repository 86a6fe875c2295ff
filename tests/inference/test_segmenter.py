from dataclasses import replace

import numpy as np
import pytest

from tests.dense_golden import SEGMENTATIONS, arrays, models, rgb
from tests.inference.dense_folders import NAMES, PALETTE, FakeSession, dense_model, noise
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.inference import Segmenter, Slide
from vmamba_deploy.preprocessing import SEGMENTATION_PREPROCESSING, prepare
from vmamba_deploy.tasks.label_maps import labels_from_logits, labels_from_map, resize_logits

SMALL = replace(SEGMENTATION_PREPROCESSING, fit=(96, 64), crop_pixels=(64, 96))
LOGITS = ("logits",)


def averaged(pixels: np.ndarray) -> np.ndarray:
    """Logits [B,7,h,w] that hang on where in the picture they are: means of 4 x 4 pixels."""
    batch, channels, height, width = pixels.shape
    rows, columns = -(-height // 4) * 4, -(-width // 4) * 4
    padded = np.zeros((batch, channels, rows, columns), np.float32)
    padded[:, :, :height, :width] = pixels
    means = padded.reshape(batch, channels, rows // 4, 4, columns // 4, 4).mean(axis=(3, 5))
    mixed = np.random.default_rng(7).standard_normal((7, channels)).astype(np.float32)
    return np.einsum("kc,bchw->bkhw", mixed, means)


def by_means(pixel_values):
    logits = averaged(pixel_values)
    size = pixel_values.shape[2:]
    labels = np.stack([resize_logits(one, size).argmax(axis=0) for one in logits])
    return {"labels": labels.astype(np.int32), "logits": logits}


def labels_alone(pixel_values):
    return {"labels": by_means(pixel_values)["labels"]}


@pytest.mark.parametrize("name", SEGMENTATIONS)
def test_the_labels_of_the_public_code_from_its_logits(name):
    golden, original = arrays(name), tuple(models()[name]["original"])

    def answer(_pixels):
        return {"labels": golden["labels"].astype(np.int32), "logits": golden["head_logits"]}

    class Original(Segmenter):
        """The golden picture was made at the network's size, of a picture of another."""

        def _prepared(self, image):
            return replace(super()._prepared(image), original=original)

    pictures = [rgb(picture) for picture in golden["image"]]
    size = pictures[0].shape[:2]
    session = FakeSession(answer)
    made = dense_model(
        "segmentation",
        replace(SEGMENTATION_PREPROCESSING, fit=(max(size), min(size))),
        session,
        LOGITS,
    )
    made.__class__ = Original
    results = made.segment(pictures)
    for result, labels in zip(results, golden["labels_original_size"], strict=True):
        np.testing.assert_array_equal(result.labels, labels)
        assert result.exact
    (pixels,) = session.calls
    inside = golden["input_sub4"][0]
    assert np.abs(pixels[0, :, ::4, ::4] - inside).max() < 1e-6


@pytest.mark.parametrize("fixed", [False, True])
def test_each_picture_gets_the_classes_of_its_own_pixels(fixed):
    spec = replace(SMALL, fixed=fixed)
    session = FakeSession(by_means)
    pictures = [noise(*size) for size in [(40, 60), (90, 50), (64, 96), (40, 60), (40, 60)]]
    with dense_model("segmentation", spec, session, LOGITS, largest_batch=2) as model:
        results = model.segment(pictures)
    for picture, result in zip(pictures, results, strict=True):
        prepared = prepare(picture, spec)
        expected = labels_from_logits(
            averaged(prepared.pixels[None])[0],
            padded=prepared.pixels.shape[1:],
            resized=prepared.resized,
            original=picture.shape[:2],
        )
        np.testing.assert_array_equal(result.labels, expected)
        assert result.exact
        assert (list(result.names), [list(each) for each in result.palette]) == (NAMES, PALETTE)
    shapes = [pixels.shape for pixels in session.calls]
    if fixed:
        assert shapes == [(2, 3, 64, 96), (2, 3, 64, 96), (1, 3, 64, 96)]
    else:
        assert shapes == [(2, 3, 64, 96), (2, 3, 64, 96), (1, 3, 96, 53)]


def test_a_file_without_logits_gives_the_nearest_and_says_so():
    with dense_model("segmentation", SMALL, FakeSession(labels_alone)) as model:
        other, same = model.segment([picture := noise(40, 60), noise(64, 96)])
    prepared = prepare(picture, SMALL)
    labels = labels_alone(prepared.pixels[None])["labels"][0]
    np.testing.assert_array_equal(
        other.labels, labels_from_map(labels, resized=prepared.resized, original=(40, 60))
    )
    assert not other.exact
    assert same.exact  # nothing is resized


@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize("size", [(50, 130), (20, 30), (64, 96)])
def test_windows_are_averaged_where_they_overlap(fixed, size):
    spec = replace(SMALL, fit=(90, 40), crop_pixels=(32, 48), fixed=fixed)
    slide = Slide(crop=(32, 48), stride=(20, 33))
    picture = noise(*size)
    with dense_model("segmentation", spec, FakeSession(by_means), LOGITS) as model:
        (result,) = model.segment([picture], slide=slide)
    prepared = prepare(picture, replace(spec, fixed=False))
    height, width = prepared.resized
    total, seen = np.zeros((7, height, width)), np.zeros((height, width))
    for y in range(max(height - 32 + 19, 0) // 20 + 1):
        for x in range(max(width - 48 + 32, 0) // 33 + 1):
            bottom, right = min(y * 20 + 32, height), min(x * 33 + 48, width)
            rows, columns = slice(max(bottom - 32, 0), bottom), slice(max(right - 48, 0), right)
            window = prepared.pixels[:, rows, columns]
            frame = np.zeros((3, 32, 48) if fixed else window.shape, np.float32)
            frame[:, : window.shape[1], : window.shape[2]] = window
            logits = resize_logits(averaged(frame[None])[0], frame.shape[1:])
            total[:, rows, columns] += logits[:, : window.shape[1], : window.shape[2]]
            seen[rows, columns] += 1
    expected = resize_logits(total / seen, size)
    chosen = np.take_along_axis(expected, result.labels[None], axis=0)[0]
    assert (expected.max(axis=0) - chosen < 1e-5).all()
    assert result.exact


@pytest.mark.parametrize("name", SEGMENTATIONS)
def test_the_windows_of_the_public_code(name):
    golden = arrays(name)
    *crop, down, across = (int(side) for side in golden["slide_crop_stride"])
    height, width = golden["image"].shape[1:3]
    windows = list(Slide((crop[0], crop[1]), (down, across)).windows((height, width)))
    assert {
        (rows.stop - rows.start, columns.stop - columns.start) for rows, columns in windows
    } == {(min(crop[0], height), min(crop[1], width))}
    covered = np.zeros((height, width), int)
    for rows, columns in windows:
        covered[rows, columns] += 1
    assert covered.min() >= 1


def test_windows_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="leave gaps"):
        Slide((32, 32), (33, 8))
    with pytest.raises(UsageError, match="at least 1"):
        Slide((32, 32), (0, 8))
    slide = Slide((33, 48), (8, 8))
    with (
        dense_model("segmentation", SMALL, FakeSession(labels_alone)) as model,
        pytest.raises(UsageError, match="do not give"),
    ):
        model.segment([noise(8, 8)], slide=slide)
    fixed = replace(SMALL, crop_pixels=(32, 48), fixed=True)
    with (
        dense_model("segmentation", fixed, FakeSession(by_means), LOGITS) as model,
        pytest.raises(UsageError, match="takes 32x48 pixels, so no windows of 33x48"),
    ):
        model.segment([noise(64, 96)], slide=slide)


def test_bytes_go_to_a_network_that_normalises_itself():
    spec = replace(SMALL, normalisation_in_graph=True)

    def answer(pixel_values):
        assert pixel_values.dtype == np.uint8
        return by_means(pixel_values.transpose(0, 3, 1, 2).astype(np.float32))

    with dense_model("segmentation", spec, FakeSession(answer), LOGITS) as model:
        picture = noise(50, 70)
        (whole,) = model.segment([picture])
        (slid,) = model.segment([picture], slide=Slide((200, 200), (200, 200)))
    np.testing.assert_array_equal(whole.labels, slid.labels)
    assert whole.labels.shape == (50, 70)


def test_what_is_no_picture_is_refused(tmp_path):
    with dense_model("segmentation", SMALL, FakeSession(by_means), LOGITS) as model:
        (tmp_path / "notes.png").write_text("no image")
        with pytest.raises(InputFileError, match=r"notes\.png is not an image"):
            model.segment([noise(8, 8), tmp_path / "notes.png"])
        with pytest.raises(UsageError, match="one image was given"):
            model.segment(str(tmp_path / "notes.png"))
        with pytest.raises(UsageError, match="different sizes"):
            model.preprocess([noise(40, 60), noise(60, 40)])
        assert model.segment([]) == []
