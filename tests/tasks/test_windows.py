from hypothesis import given
from hypothesis import strategies as st

from vmamba_deploy.tasks.windows import Slide

sides = st.integers(1, 80)


@given(size=st.tuples(sides, sides), crop=st.tuples(sides, sides), data=st.data())
def test_windows_begin_every_stride_cover_everything_and_end_at_the_border(size, crop, data):
    stride = tuple(data.draw(st.integers(1, side)) for side in crop)
    windows = list(Slide(crop, stride).windows(size))
    for axis in (0, 1):
        starts = sorted({window[axis].start for window in windows})
        ends = sorted({window[axis].stop for window in windows})
        length = min(crop[axis], size[axis])
        assert all(w[axis].stop - w[axis].start == length for w in windows)
        assert (starts[0], ends[-1]) == (0, size[axis])
        # All but the last at multiples of the stride; no more than needed to reach the border.
        assert starts[:-1] == [stride[axis] * i for i in range(len(starts) - 1)]
        assert len(starts) == 1 or ends[-2] < size[axis]
        assert all(b <= a for a, b in zip(ends, starts[1:], strict=False))
    assert len(set(map(str, windows))) == len(windows)
