import threading
import time

import numpy as np
import pytest

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.evaluation.classes import ModelClasses
from vmamba_deploy.evaluation.loading import BATCHES_AHEAD, load_batches
from vmamba_deploy.evaluation.samples import read_samples
from vmamba_deploy.preprocessing import Preprocessing, preprocess

SMALL = Preprocessing(crop_pixels=(8, 8), resize_pixels=9)


def read(sample):
    return preprocess(sample.path, SMALL)


@pytest.fixture
def data(tree):
    return read_samples(tree(*(f"{c}/{n}.png" for c in "ab" for n in range(5))), ModelClasses(2))


def test_batches_come_in_order_whoever_is_ready_first(data):
    delays = {sample.path: 0.02 * (position % 3) for position, sample in enumerate(data.samples)}

    def slow(sample):
        time.sleep(delays[sample.path])
        return read(sample)

    loaded = list(load_batches(data.batches(4), slow, threads=3))
    assert [[image.index for image in one.images] for one in loaded] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    pixels = np.concatenate([one.contents for one in loaded])
    assert np.array_equal(pixels, np.stack([read(sample) for sample in data.samples]))
    assert loaded[0].images[2].preprocess_ms >= 40


def test_only_some_batches_are_read_ahead(data):
    started = []

    def noted(sample):
        started.append(sample)
        return read(sample)

    loader = load_batches(data.batches(1), noted, threads=1)
    next(loader)
    time.sleep(0.1)
    assert len(started) <= 1 + BATCHES_AHEAD
    loader.close()


def test_an_unreadable_image_ends_the_run_and_is_named(data):
    data.samples[6].path.write_text("no image")
    with pytest.raises(InputFileError, match=r"1\.png"):
        list(load_batches(data.batches(4), read, threads=2))
    assert not [one for one in threading.enumerate() if one.name.startswith("images")]


def test_or_is_skipped_with_its_reason(data):
    for position in (4, 5, 6, 7, 8):
        data.samples[position].path.write_text("no image")
    first, second, third = load_batches(data.batches(4), read, threads=2, skip_unreadable=True)
    assert (len(first.images), first.skipped) == (4, ())
    assert (second.images, second.contents) == ((), ())
    assert [one.index for one in second.skipped] == [4, 5, 6, 7]
    assert "3.png is not an image" in third.skipped[0].error
    assert ([one.index for one in third.images], len(third.contents)) == ([9], 1)


def test_what_is_no_user_s_fault_is_never_skipped(data):
    def broken(sample):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(load_batches(data.batches(4), broken, threads=2, skip_unreadable=True))
