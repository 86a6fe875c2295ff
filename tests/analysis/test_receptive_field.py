import numpy as np
import pytest
import torch
from torch import nn

from vmamba_deploy.analysis.receptive_field import centre_of, extents, receptive_field
from vmamba_deploy.errors import InputFileError


def as_matrix(convolution, shape):
    """The convolution of [C, H, W] maps as a matrix, built tap by tap; and its result's shape."""
    channels, height, width = shape
    weight = convolution.weight.detach().double().numpy()
    stride, pad = convolution.stride[0], convolution.padding[0]
    out, _, taps, _ = weight.shape
    rows, columns = ((side + 2 * pad - taps) // stride + 1 for side in (height, width))
    matrix = np.zeros((out, rows, columns, channels, height, width))
    for o, r, c, i, u, v in np.ndindex(out, rows, columns, channels, taps, taps):
        y, x = r * stride + u - pad, c * stride + v - pad
        if 0 <= y < height and 0 <= x < width:
            matrix[o, r, c, i, y, x] = weight[o, i, u, v]
    return matrix.reshape(out * rows * columns, -1), (out, rows, columns)


def analytic(first, second, images):
    """Of `second(relu(first(image)))` by the chain rule, in NumPy and float64."""
    total = 0.0
    for image in images:
        inner, shape = as_matrix(first, image.shape)
        outer, (out, rows, columns) = as_matrix(second, shape)
        before = inner @ image.double().numpy().ravel()
        after = (outer @ np.maximum(before, 0)).reshape(out, rows, columns)
        looked_at = np.zeros_like(after)
        looked_at[:, rows // 2, columns // 2] = after[:, rows // 2, columns // 2] > 0
        gradient = inner.T @ ((before > 0) * (outer.T @ looked_at.ravel()))
        total = total + np.maximum(gradient.reshape(image.shape), 0).sum(axis=0)
    return total / len(images)


@pytest.fixture
def convolutions():
    first = nn.Conv2d(2, 5, 3, stride=2, padding=1, bias=False).double()
    second = nn.Conv2d(5, 7, 3, padding=1, bias=False).double()
    return first, second


def test_two_convolutions_are_those_of_the_chain_rule(convolutions):
    first, second = convolutions
    images = torch.randn(3, 2, 13, 18, dtype=torch.float64)
    field = receptive_field(
        nn.Sequential(first, nn.ReLU(), second), (image[None] for image in images)
    )
    np.testing.assert_allclose(field, analytic(first, second, images), rtol=1e-10, atol=1e-14)


def test_no_pixel_outside_of_what_the_taps_reach_adds_anything(convolutions):
    for one in convolutions:
        nn.init.uniform_(one.weight, 0.5, 1.0)
    field = receptive_field(nn.Sequential(*convolutions), [torch.rand(1, 2, 24, 24).double()])
    rows, columns = np.nonzero(field)
    # Of 12 cells the seventh takes 5 to 7, and those take the pixels 2 * 5 - 1 to 2 * 7 + 1.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 15, 9, 15)
    assert np.count_nonzero(field) == 7 * 7


def test_a_global_mean_sees_everything_alike():
    def last_map(pixels):
        return pixels.mean(dim=(2, 3), keepdim=True).expand(-1, -1, 4, 4)

    field = receptive_field(last_map, [torch.rand(1, 3, 20, 20)])
    np.testing.assert_allclose(field, 3 / 400, rtol=1e-6)


def test_what_lowers_the_centre_is_left_out():
    scale = torch.tensor([2.0, -3.0])[None, :, None, None]
    field = receptive_field(lambda pixels: pixels * scale, [torch.tensor([[[[1.0]], [[-1.0]]]])])
    np.testing.assert_array_equal(field, [[2.0]])


@pytest.mark.parametrize("factor", [0.0, float("nan")])
def test_without_contributions_there_is_no_field(factor):
    with pytest.raises(InputFileError, match="no receptive field"):
        receptive_field(lambda pixels: pixels * factor, [torch.rand(1, 1, 4, 4)])


def test_without_images_there_is_no_field():
    with pytest.raises(ValueError, match="needs an image"):
        receptive_field(lambda pixels: pixels, [])


def brute(field, middle, share, distance):
    """The first of all radii in the image, ascending, within which the share lies."""
    offsets = ((y, x, y + 0.5 - middle[0], x + 0.5 - middle[1]) for y, x in np.ndindex(field.shape))
    places = [(distance(down, right), y, x) for y, x, down, right in offsets]
    for radius in sorted({place[0] for place in places}):
        inside = [field[y, x] for far, y, x in places if far <= radius]
        if sum(inside) >= share * field.sum() * (1 - 1e-12):
            return radius, len(inside) / field.size
    raise AssertionError


@pytest.mark.parametrize("map_size", [(3, 4), (7, 7), (1, 2)])
def test_extents_are_those_of_trying_every_radius(map_size):
    field = np.random.default_rng().random((14, 19)) ** 6
    middle = [(n // 2 + 0.5) * side / n for n, side in zip(map_size, field.shape, strict=True)]
    assert centre_of(field.shape, map_size) == tuple(middle)
    found = extents(field, map_size, (0.2, 0.5, 0.99, 1.0))
    logarithms = np.log10(1 + field)
    for one in found:
        assert one.radius_pixels == pytest.approx(brute(field, middle, one.share, np.hypot)[0])
        for weights, area in (
            (field, one.square_share),
            (logarithms, one.square_share_log),
        ):
            square = brute(weights, middle, one.share, lambda y, x: max(abs(y), abs(x)))
            assert area == pytest.approx(square[1])


def test_of_a_flat_field_an_area_is_its_share():
    for one in extents(np.ones((300, 300)), (9, 9)):
        assert one.square_share == pytest.approx(one.share, abs=0.015)
        assert one.square_share_log == one.square_share
        if one.share < 0.7:  # the circle lies within the image
            assert one.radius_pixels == pytest.approx(300 * (one.share / np.pi) ** 0.5, rel=0.01)


def test_a_single_pixel_is_held_by_any_share():
    field = np.zeros((21, 21))
    field[10, 10] = 5.0
    for one in extents(field, (7, 7)):
        assert (one.radius_pixels, one.square_share) == (0.0, 1 / 441)
