import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmamba_deploy.errors import IntegrityError
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING, Preprocessing

SIDES = st.integers(1, 20_000)


def test_a_manifest_gives_back_what_was_written():
    written = IMAGENET_PREPROCESSING.for_size((96, 64)).as_manifest()
    assert written["layout"] == "NCHW float32 RGB"
    assert Preprocessing.from_manifest(written) == IMAGENET_PREPROCESSING.for_size((96, 64))


@pytest.mark.parametrize("change", [{"specification": 2}, {"interpolation": "bilinear"}])
def test_another_specification_is_refused(change):
    with pytest.raises(IntegrityError, match="not the one of this release"):
        Preprocessing.from_manifest(IMAGENET_PREPROCESSING.as_manifest() | change)


@given(height=SIDES, width=SIDES)
def test_the_shorter_side_becomes_256_and_the_longer_is_rounded_down(height, width):
    resized = IMAGENET_PREPROCESSING.resized(height, width)
    # The published evaluation: int(256 * longer / shorter) in floating point.
    longer = int(256 * max(height, width) / min(height, width))
    assert resized == ((256, longer) if height <= width else (longer, 256))


@given(height=SIDES, width=SIDES, crop=st.tuples(st.integers(32, 600), st.integers(32, 600)))
def test_every_crop_is_covered_and_no_larger_than_needed(height, width, crop):
    sized = IMAGENET_PREPROCESSING.for_size(crop)
    resized = np.array(sized.resized(height, width))
    margin = [sized.resize_pixels * side // min(crop) for side in crop]
    assert (resized >= margin).all()
    assert (resized == margin).any()


def test_sizes_keep_the_published_ratio():
    assert IMAGENET_PREPROCESSING.for_size((32, 32)).resize_pixels == 37
    assert IMAGENET_PREPROCESSING.for_size((448, 640)).resize_pixels == 512
