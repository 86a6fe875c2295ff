from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from samples.train_digits.digits_data import read_digits
from samples.training.images import LabelledImages, write_images
from vmamba_deploy.errors import ResourceError, UsageError


@pytest.fixture(scope="module")
def unseen() -> LabelledImages:
    return read_digits("test")


def test_a_slice_takes_all_that_belongs_to_its_images(unseen):
    part = unseen[7:11]
    assert len(part) == 4
    assert part.numbers.tolist() == unseen.numbers[7:11].tolist()
    assert [part.file_name(i) for i in range(4)] == [unseen.file_name(7 + i) for i in range(4)]
    assert np.array_equal(part.pixel_values(), unseen.pixel_values()[7:11])
    assert len(unseen.first(3)) == 3


def test_images_never_mix_with_what_is_there(unseen, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not an empty folder"):
        write_images(unseen.first(2), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failed_write_leaves_nothing(unseen, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ResourceError, match="No space left"):
        write_images(unseen.first(2), tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
