"""The body of `vmamba::MultiLevelRoiAlign` in standard ONNX ops, carried by every exported file.

Four RoiAlign, one a level, each of which sees the boxes of the other levels as empty ones: ONNX
Runtime does not work for those. A box that must give zeros is an empty one for all four; it must
not get there as it is, as ONNX Runtime fails where only one of its sides is negative.
"""

from __future__ import annotations

from collections.abc import Mapping

from vmamba_deploy.ops.multi_level_roi_align.constants import (
    CANONICAL_SIZE,
    LEVEL_EPSILON,
    LEVEL_NAMES,
    MAX_SIDE,
    STRIDES,
)

# b batch, k boxes. Comparisons with 2, 4 and 8 are floor(log2(...)) clamped to 0..3.
_CHOOSE_LEVELS = f"""
    x1, y1, x2, y2 = Split <axis : int = 2, num_outputs : int = 4> (boxes)
    width = Sub (x2, x1)
    height = Sub (y2, y1)
    nothing = Constant <value = float {{0.0}}> ()
    most = Constant <value = float {{{MAX_SIDE}.0}}> ()
    least_side = Min (width, height)
    largest_side = Max (width, height)
    has_area = Greater (least_side, nothing)
    has_end = LessOrEqual (largest_side, most)
    counts = And (has_area, has_end)
    area = Mul (width, height)
    side = Sqrt (area)
    canonical = Constant <value = float {{{CANONICAL_SIZE}.0}}> ()
    epsilon = Constant <value = float {{{LEVEL_EPSILON}}}> ()
    ratio = Div (side, canonical)
    scale = Add (ratio, epsilon)
    two = Constant <value = float {{2.0}}> ()
    four = Constant <value = float {{4.0}}> ()
    eight = Constant <value = float {{8.0}}> ()
    from_p3 = GreaterOrEqual (scale, two)
    from_p4 = GreaterOrEqual (scale, four)
    from_p5 = GreaterOrEqual (scale, eight)
    to_p2 = Not (from_p3)
    to_p3 = Xor (from_p3, from_p4)
    to_p4 = Xor (from_p4, from_p5)
    in_p2 = And (counts, to_p2)
    in_p3 = And (counts, to_p3)
    in_p4 = And (counts, to_p4)
    in_p5 = And (counts, from_p5)
"""

# The image of each box, and the shapes of lists of b * k.
_LIST_BOXES = """
    minus_one = Constant <value_ints : ints = [-1]> ()
    zero = Constant <value : tensor = int64 {0}> ()
    one = Constant <value : tensor = int64 {1}> ()
    second = Constant <value_ints : ints = [1]> ()
    box_shape = Constant <value_ints : ints = [-1, 4]> ()
    flag_shape = Constant <value_ints : ints = [-1, 1, 1, 1]> ()
    batch_and_boxes = Shape <start : int = 0, end : int = 2> (boxes)
    batch_1 = Shape <start : int = 0, end : int = 1> (boxes)
    batch = Squeeze (batch_1)
    image = Range (zero, batch, one)
    image_column = Unsqueeze (image, second)
    images = Expand (image_column, batch_and_boxes)
    image_of_box = Reshape (images, minus_one)
"""

_POOL = """
    {p}_float = Cast <to : int = 1> ({p})
    {p}_boxes = Where (in_{p}, boxes, nothing)
    {p}_list = Reshape ({p}_boxes, box_shape)
    {p}_pooled = RoiAlign <mode : string = "avg", sampling_ratio : int = 0,
        coordinate_transformation_mode : string = "half_pixel", spatial_scale : float = {scale},
        output_height : int = @output_size, output_width : int = @output_size>
        ({p}_float, {p}_list, image_of_box)
    {p}_flags = Reshape (in_{p}, flag_shape)
    y_{p} = Where ({p}_flags, {p}_pooled, {before})
"""

_WRITE = """
    bins = Shape <start : int = 1, end : int = 4> (y_p5)
    y_shape = Concat <axis : int = 0> (batch_and_boxes, bins)
    y_float = Reshape <allowzero : int = 1> (y_p5, y_shape)
    y = Cast <to : int = @out_dtype> (y_float)
"""


def body(sizes: Mapping[str, int]) -> str:
    """The op's definition, true to docs/multi_level_roi_align.md.

    Args:
        sizes: of every node of the model that will carry it; the body is the same for all.
    """
    del sizes
    befores = ("nothing", *(f"y_{name}" for name in LEVEL_NAMES[:-1]))
    pools = (
        _POOL.format(p=name, scale=1 / stride, before=before)
        for name, stride, before in zip(LEVEL_NAMES, STRIDES, befores, strict=True)
    )
    return _CHOOSE_LEVELS + _LIST_BOXES + "".join(pools) + _WRITE
