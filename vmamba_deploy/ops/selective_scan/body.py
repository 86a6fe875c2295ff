"""The body of `vmamba::SelectiveScan` in standard ONNX ops, carried by every exported file.

A runtime without our library executes it: one `Scan` over the L steps of all routes at once.
Everything that does not depend on the state is computed for all steps before the loop, since each
op inside the loop costs a dispatch per step. Exponentials of cumulative sums, which would avoid
the loop, overflow and are not used (docs/selective_scan.md).

One body serves all nodes of a file, whatever their routes and whether each has an x of its own:
the order of a route is a table of pixels, and shapes tell the rest.
"""

from __future__ import annotations

from collections.abc import Mapping

# k routes, b batch, l pixels, m = l * b, n state, f features of a route. g is k where each route
# has an x of its own, else 1. Features come pixel by pixel: [k,m,f], and x is [g,m,d].
_FEATURES = """
    routes = Constant <value_ints : ints = {routes}> ()
    minus_one = Constant <value_ints : ints = [-1]> ()
    zero = Constant <value_ints : ints = [0]> ()
    one = Constant <value_ints : ints = [1]> ()
    two = Constant <value_ints : ints = [2]> ()
    three = Constant <value_ints : ints = [3]> ()
    batch = Shape <start : int = -4, end : int = -3> (x)
    height = Shape <start : int = -3, end : int = -2> (x)
    width = Shape <start : int = -2, end : int = -1> (x)
    channels = Shape <start : int = -1> (x)
    k = Shape <start : int = 0, end : int = 1> (a)
    rank = Shape <start : int = 1, end : int = 2> (dt_weight)
    state = Shape <start : int = 1, end : int = 2> (a)
    length = Mul (height, width)
    m = Mul (length, batch)

    xf = Cast <to : int = 1> (x)
    pf = Cast <to : int = 1> (proj)
    x_shape = Concat <axis : int = 0> (minus_one, batch, length, channels)
    x_gbld = Reshape (xf, x_shape)
    x_glbd = Transpose <perm : ints = [0, 2, 1, 3]> (x_gbld)
    x_flat = Concat <axis : int = 0> (minus_one, m, channels)
    x_pixels = Reshape (x_glbd, x_flat)
    g = Shape <start : int = 0, end : int = 1> (x_pixels)
    routes_of_x = Div (k, g)
    p_shape = Concat <axis : int = 0> (g, batch, length, routes_of_x, minus_one)
    p_gblkf = Reshape (pf, p_shape)
    p_gklbf = Transpose <perm : ints = [0, 3, 2, 1, 4]> (p_gblkf)
    p_flat = Concat <axis : int = 0> (k, m, minus_one)
    p_pixels = Reshape (p_gklbf, p_flat)
    features = Shape <start : int = 2> (p_pixels)
    two_states = Mul (two, state)
    dt_features = Sub (features, two_states)
    split = Concat <axis : int = 0> (dt_features, state, state)
    dt, b_in, c_out = Split <axis : int = 2> (p_pixels, split)
"""

_LOW_RANK_STEP = """
    projected = MatMul (dt, dt_weight)
"""

_STEP_PER_CHANNEL = """
    projected = Mul (dt, dt_weight)
"""

# Right for both, by a product that a low rank makes R times as large: for a file that has both.
_ANY_STEP = """
    step_shape = Concat <axis : int = 0> (k, m, rank, minus_one)
    dt_terms = Reshape (dt, step_shape)
    weight_terms = Unsqueeze (dt_weight, one)
    terms = Mul (dt_terms, weight_terms)
    projected = ReduceSum <keepdims : int = 0> (terms, two)
"""

# `visited` has the place in [k * l] of the pixel that each route visits at each step, [l,k];
# `step_of` the place in [l * k] of the step at which it visits each pixel, [k,l].
_ROUTES = """
    bias = Unsqueeze (dt_bias, one)
    v = Add (projected, bias)
    delta = Softplus (v)
    delta_x = Mul (delta, x_pixels)

    nought = Constant <value : tensor = int64 {{0}}> ()
    unit = Constant <value : tensor = int64 {{1}}> ()
    count = Squeeze (length, zero)
    last = Sub (length, one)
    rows = Range (nought, count, unit)
    by_rows = Concat <axis : int = 0> (height, width)
    by_columns = Concat <axis : int = 0> (width, height)
    numbers = Reshape (rows, by_rows)
    numbers_t = Transpose <perm : ints = [1, 0]> (numbers)
    pixel_of_column_step = Reshape (numbers_t, minus_one)
    steps = Reshape (rows, by_columns)
    steps_t = Transpose <perm : ints = [1, 0]> (steps)
    column_step_of_pixel = Reshape (steps_t, minus_one)
    rows_back = Sub (last, rows)
    pixel_of_step_back = Sub (last, pixel_of_column_step)
    step_of_pixel_back = Sub (last, column_step_of_pixel)
    rows_1 = Unsqueeze (rows, one)
    rows_back_1 = Unsqueeze (rows_back, one)
    pixel_columns_1 = Unsqueeze (pixel_of_column_step, one)
    pixel_back_1 = Unsqueeze (pixel_of_step_back, one)
    step_columns_1 = Unsqueeze (column_step_of_pixel, one)
    step_back_1 = Unsqueeze (step_of_pixel_back, one)
    pixel_table = Concat <axis : int = 1> (rows_1, pixel_columns_1, rows_back_1, pixel_back_1)
    step_table = Concat <axis : int = 1> (rows_1, step_columns_1, rows_back_1, step_back_1)
    pixel_of_step = Gather <axis : int = 1> (pixel_table, routes)
    step_of_pixel = Gather <axis : int = 1> (step_table, routes)
    route_count = Squeeze (k, zero)
    route = Range (nought, route_count, unit)
    route_start = Mul (route, length)
    visited = Add (pixel_of_step, route_start)
    step_start = Mul (step_of_pixel, k)
    step_of_lk = Add (step_start, route)
    step_of = Transpose <perm : ints = [1, 0]> (step_of_lk)
    maps = Concat <axis : int = 0> (minus_one, batch, channels)
"""

# N = 1: decay and input are [k,m,d]; the loop is one multiply and one add.
_SCAN_ONE_STATE = """
    delta_a = Mul (delta, a)
    decay_pixels = Exp (delta_a)
    drive_pixels = Mul (delta_x, b_in)
    decay_maps = Reshape (decay_pixels, maps)
    drive_maps = Reshape (drive_pixels, maps)
    decay = Gather <axis : int = 0> (decay_maps, visited)
    drive = Gather <axis : int = 0> (drive_maps, visited)
    h_shape = Concat <axis : int = 0> (k, batch, channels)
    h_0 = ConstantOfShape <value = float[1] {{0.0}}> (h_shape)
    h_last, h_all = Scan <num_scan_inputs : int = 2, body = step
        (float[k, b, d] h, float[k, b, d] decay_t, float[k, b, d] drive_t)
        => (float[k, b, d] h_next, float[k, b, d] h_out)
        {{
            decayed = Mul (decay_t, h)
            h_next = Add (decayed, drive_t)
            h_out = Identity (h_next)
        }}> (h_0, decay, drive)
    h_steps = Reshape (h_all, maps)
    h_maps = Gather <axis : int = 0> (h_steps, step_of)
    y_flat = Concat <axis : int = 0> (k, m, channels)
    h_pixels = Reshape (h_maps, y_flat)
    y_routes = Mul (h_pixels, c_out)
"""

# Any N: [l,k,b,n,d] would not fit in memory, so the decay is computed inside the loop.
_SCAN_ANY_STATE = """
    state_maps = Concat <axis : int = 0> (minus_one, batch, state)
    delta_maps = Reshape (delta, maps)
    delta_x_maps = Reshape (delta_x, maps)
    b_maps = Reshape (b_in, state_maps)
    c_maps = Reshape (c_out, state_maps)
    delta_l = Gather <axis : int = 0> (delta_maps, visited)
    delta_x_l = Gather <axis : int = 0> (delta_x_maps, visited)
    b_l = Gather <axis : int = 0> (b_maps, visited)
    c_l = Gather <axis : int = 0> (c_maps, visited)
    four = Constant <value_ints : ints = [4]> ()
    delta_row = Unsqueeze (delta_l, three)
    delta_x_row = Unsqueeze (delta_x_l, three)
    b_column = Unsqueeze (b_l, four)
    c_row = Unsqueeze (c_l, three)
    a_k = Unsqueeze (a, one)
    h_shape = Concat <axis : int = 0> (k, batch, state, channels)
    h_0 = ConstantOfShape <value = float[1] {{0.0}}> (h_shape)
    h_last, y_all = Scan <num_scan_inputs : int = 4, body = step
        (float[k, b, n, d] h, float[k, b, 1, d] delta_t, float[k, b, 1, d] delta_x_t,
         float[k, b, n, 1] b_t, float[k, b, 1, n] c_t)
        => (float[k, b, n, d] h_next, float[k, b, 1, d] y_t)
        {{
            delta_a = Mul (delta_t, a_k)
            decay = Exp (delta_a)
            decayed = Mul (decay, h)
            drive = Mul (b_t, delta_x_t)
            h_next = Add (decayed, drive)
            y_t = MatMul (c_t, h_next)
        }}> (h_0, delta_row, delta_x_row, b_column, c_row)
    y_steps = Reshape (y_all, maps)
    y_maps = Gather <axis : int = 0> (y_steps, step_of)
    y_flat = Concat <axis : int = 0> (k, m, channels)
    y_routes = Reshape (y_maps, y_flat)
"""

_MERGE = """
    d_row = Unsqueeze (d, one)
    skip = Mul (x_pixels, d_row)
    y_whole = Add (y_routes, skip)
    y_sum = ReduceSum <keepdims : int = 0> (y_whole, zero)
    pixels = Concat <axis : int = 0> (length, batch, channels)
    y_lbd = Reshape (y_sum, pixels)
    y_bld = Transpose <perm : ints = [1, 0, 2]> (y_lbd)
    y_shape = Concat <axis : int = 0> (batch, height, width, channels)
    y_float = Reshape (y_bld, y_shape)
    y = Cast <to : int = @out_dtype> (y_float)
"""


def body(sizes: Mapping[str, int]) -> str:
    """The op's definition, true to docs/selective_scan.md.

    Args:
        sizes: of every node of the model that will carry it, as far as they are known. `N` = 1
            gives a body with a far shorter loop, which is only true for N = 1; `step_per_channel`
            (0 or 1) one for that form of the step. Else the body is for every N and both.
    """
    return scan_body("@routes", sizes)


def scan_body(routes: str, sizes: Mapping[str, int]) -> str:
    """As `body`, for directions that an attribute `@name` or a list `[...]` gives."""
    steps = {0: _LOW_RANK_STEP, 1: _STEP_PER_CHANNEL}
    step = steps.get(sizes.get("step_per_channel", -1), _ANY_STEP)
    scan = _SCAN_ONE_STATE if sizes.get("N") == 1 else _SCAN_ANY_STATE
    return (_FEATURES + step + _ROUTES + scan + _MERGE).format(routes=routes)
