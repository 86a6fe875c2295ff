import numpy as np

from vmamba_deploy.inference.overlay import draw_detections, draw_segmentation
from vmamba_deploy.tasks.detection import Detection
from vmamba_deploy.tasks.palette import class_colour
from vmamba_deploy.tasks.segmentation import Segmentation

PALETTE = [(0, 0, 0), (200, 0, 0), (0, 200, 0)]


def picture(height=120, width=160):
    return np.random.default_rng().integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pixels_are_tinted_in_the_colour_of_their_class():
    labels = np.random.default_rng().integers(0, 4, (120, 160), dtype=np.int32)
    pixels = picture()
    drawn = np.asarray(draw_segmentation(pixels, Segmentation(labels, True, palette=PALETTE)))
    colours = np.array([*PALETTE, class_colour(3, PALETTE)])
    half = (pixels.astype(int) + colours[labels]) / 2
    assert np.abs(drawn - half).max() <= 1


def detection(label, box, score, share=1.0, size=(120, 160)):
    cells = np.full((28, 28), share, np.float32)
    return Detection(label, f"class {label}", score, box, cells, size)


def test_masks_are_tinted_boxes_framed_and_the_rest_stays():
    pixels = picture()
    box = (20.0, 40.0, 100.0, 100.0)
    drawn = np.asarray(draw_detections(pixels, [detection(1, box, 0.9)], PALETTE))
    assert (drawn[40, 20:100] == PALETTE[1]).all()
    assert (drawn[40:100, 20] == PALETTE[1]).all()
    inside = (pixels[50:95, 30:95].astype(int) + PALETTE[1]) / 2
    assert np.abs(drawn[50:95, 30:95] - inside).max() <= 1
    outside = np.ones((120, 160), bool)
    outside[20:102, 18:160] = False  # box and name
    np.testing.assert_array_equal(drawn[outside], pixels[outside])
    assert (drawn[26:39, 20:60] != pixels[26:39, 20:60]).any()


def test_the_surest_lies_on_top():
    box = (20.0, 40.0, 100.0, 100.0)
    both = [detection(1, box, 0.9, share=0.0), detection(2, box, 0.5, share=0.0)]
    drawn = np.asarray(draw_detections(picture(), both, PALETTE))
    assert (drawn[99, 20:100] == PALETTE[1]).all()


def test_boxes_beyond_the_picture_and_none_at_all_are_drawn():
    pixels = picture()
    np.testing.assert_array_equal(np.asarray(draw_detections(pixels, [])), pixels)
    beyond = [detection(0, (-10.0, -10.0, 500.0, 400.0), 0.9), detection(1, (5, 5, 5, 5), 0.8)]
    assert draw_detections(pixels, beyond).size == (160, 120)
