"""The body of `vmamba::SelectiveScan2D` in standard ONNX ops, carried by every exported file.

A runtime without our library executes it: one `Scan` over the L steps of all four routes at once.
Everything that does not depend on the state is computed for all steps before the loop, since each
op inside the loop costs a dispatch per step. Exponentials of cumulative sums, which would avoid
the loop, overflow and are not used (docs/selective_scan_2d.md).
"""

from __future__ import annotations

from collections.abc import Mapping

# k routes, b batch, l steps, n state, f = R + 2N features of a route. Routes come in the order
# 0 (rows), 1 (columns), 2 (rows reversed), 3 (columns reversed), so the second half is reversed.
_TO_ROUTES = """
    xf = Cast <to : int = 1> (x)
    pf = Cast <to : int = 1> (proj)
    minus_one = Constant <value_ints : ints = [-1]> ()
    zero = Constant <value_ints : ints = [0]> ()
    one = Constant <value_ints : ints = [1]> ()
    two = Constant <value_ints : ints = [2]> ()
    four = Constant <value_ints : ints = [4]> ()
    far = Constant <value_ints : ints = [-9223372036854775807]> ()
    route_axis = Constant <value_ints : ints = [0]> ()
    step_axis = Constant <value_ints : ints = [2]> ()

    channels = Shape <start : int = 3, end : int = 4> (x)
    features = Shape <start : int = 3, end : int = 4> (proj)
    route_features = Div (features, four)
    rank = Shape <start : int = 1, end : int = 2> (dt_weight)
    state = Shape <start : int = 1, end : int = 2> (a)

    map_shape = Concat <axis : int = 0> (zero, minus_one, channels)
    x_columns = Transpose <perm : ints = [0, 2, 1, 3]> (xf)
    columns_shape = Shape (x_columns)
    x_rows_flat = Reshape (xf, map_shape)
    x_columns_flat = Reshape (x_columns, map_shape)
    x_rows_1 = Unsqueeze (x_rows_flat, route_axis)
    x_columns_1 = Unsqueeze (x_columns_flat, route_axis)
    x_forward = Concat <axis : int = 0> (x_rows_1, x_columns_1)
    x_backward = Slice (x_forward, minus_one, far, step_axis, minus_one)
    x_routes = Concat <axis : int = 0> (x_forward, x_backward)

    p_shape = Concat <axis : int = 0> (zero, minus_one, four, route_features)
    p_columns = Transpose <perm : ints = [0, 2, 1, 3]> (pf)
    p_rows_flat = Reshape (pf, p_shape)
    p_columns_flat = Reshape (p_columns, p_shape)
    p_rows_kblf = Transpose <perm : ints = [2, 0, 1, 3]> (p_rows_flat)
    p_columns_kblf = Transpose <perm : ints = [2, 0, 1, 3]> (p_columns_flat)
    p_0, _p_01, p_2, _p_03 = Split <axis : int = 0, num_outputs : int = 4> (p_rows_kblf)
    _p_10, p_1, _p_12, p_3 = Split <axis : int = 0, num_outputs : int = 4> (p_columns_kblf)
    p_backward = Concat <axis : int = 0> (p_2, p_3)
    p_reversed = Slice (p_backward, minus_one, far, step_axis, minus_one)
    p_routes = Concat <axis : int = 0> (p_0, p_1, p_reversed)

    split = Concat <axis : int = 0> (rank, state, state)
    low_rank, b_in, c_out = Split <axis : int = 3> (p_routes, split)
    dt_weight_k = Unsqueeze (dt_weight, one)
    dt = MatMul (low_rank, dt_weight_k)
    one_two = Constant <value_ints : ints = [1, 2]> ()
    dt_bias_k = Unsqueeze (dt_bias, one_two)
    v = Add (dt, dt_bias_k)
    delta = Softplus (v)
    delta_x = Mul (delta, x_routes)
"""

# N = 1: decay and input are [k,b,l,d]; the loop is one multiply and one add.
_SCAN_ONE_STATE = """
    a_k = Unsqueeze (a, one)
    delta_a = Mul (delta, a_k)
    decay_kbl = Exp (delta_a)
    drive_kbl = Mul (delta_x, b_in)
    decay = Transpose <perm : ints = [2, 0, 1, 3]> (decay_kbl)
    drive = Transpose <perm : ints = [2, 0, 1, 3]> (drive_kbl)
    h_shape_all = Shape (decay)
    h_shape = Slice (h_shape_all, one, four, zero)
    h_0 = ConstantOfShape <value = float[1] {0.0}> (h_shape)
    h_last, h_all = Scan <num_scan_inputs : int = 2, body = step
        (float[k, b, d] h, float[k, b, d] decay_t, float[k, b, d] drive_t)
        => (float[k, b, d] h_next, float[k, b, d] h_out)
        {
            decayed = Mul (decay_t, h)
            h_next = Add (decayed, drive_t)
            h_out = Identity (h_next)
        }> (h_0, decay, drive)
    h_kbl = Transpose <perm : ints = [1, 2, 0, 3]> (h_all)
    y_routes = Mul (h_kbl, c_out)
"""

# Any N: [k,b,l,n,d] would not fit in memory, so the decay is computed inside the loop.
_SCAN_ANY_STATE = """
    delta_l = Transpose <perm : ints = [2, 0, 1, 3]> (delta)
    delta_x_l = Transpose <perm : ints = [2, 0, 1, 3]> (delta_x)
    b_l = Transpose <perm : ints = [2, 0, 1, 3]> (b_in)
    c_l = Transpose <perm : ints = [2, 0, 1, 3]> (c_out)
    three = Constant <value_ints : ints = [3]> ()
    delta_row = Unsqueeze (delta_l, three)
    delta_x_row = Unsqueeze (delta_x_l, three)
    b_column = Unsqueeze (b_l, four)
    c_row = Unsqueeze (c_l, three)
    a_k = Unsqueeze (a, one)
    lead_all = Shape (delta_l)
    lead = Slice (lead_all, one, three, zero)
    h_shape = Concat <axis : int = 0> (lead, state, channels)
    h_0 = ConstantOfShape <value = float[1] {0.0}> (h_shape)
    h_last, y_steps = Scan <num_scan_inputs : int = 4, body = step
        (float[k, b, n, d] h, float[k, b, 1, d] delta_t, float[k, b, 1, d] delta_x_t,
         float[k, b, n, 1] b_t, float[k, b, 1, n] c_t)
        => (float[k, b, n, d] h_next, float[k, b, 1, d] y_t)
        {
            delta_a = Mul (delta_t, a_k)
            decay = Exp (delta_a)
            decayed = Mul (decay, h)
            drive = Mul (b_t, delta_x_t)
            h_next = Add (decayed, drive)
            y_t = MatMul (c_t, h_next)
        }> (h_0, delta_row, delta_x_row, b_column, c_row)
    y_lkbd = Squeeze (y_steps, three)
    y_routes = Transpose <perm : ints = [1, 2, 0, 3]> (y_lkbd)
"""

_MERGE = """
    y_forward, y_reversed = Split <axis : int = 0, num_outputs : int = 2> (y_routes)
    y_backward = Slice (y_reversed, minus_one, far, step_axis, minus_one)
    y_both = Add (y_forward, y_backward)
    y_rows_1, y_columns_1 = Split <axis : int = 0, num_outputs : int = 2> (y_both)
    y_rows_flat = Squeeze (y_rows_1, route_axis)
    y_columns_flat = Squeeze (y_columns_1, route_axis)
    rows_shape = Shape (x)
    y_rows = Reshape (y_rows_flat, rows_shape)
    y_columns = Reshape (y_columns_flat, columns_shape)
    y_columns_t = Transpose <perm : ints = [0, 2, 1, 3]> (y_columns)
    y_scan = Add (y_rows, y_columns_t)
    d_sum = ReduceSum <keepdims : int = 0> (d, route_axis)
    skip = Mul (xf, d_sum)
    y_float = Add (y_scan, skip)
    y = Cast <to : int = @out_dtype> (y_float)
"""


def body(sizes: Mapping[str, int]) -> str:
    """The op's definition, true to docs/selective_scan_2d.md.

    Args:
        sizes: `N` of every node of the model that will carry it, when it is known: 1 gives a body
            with a far shorter loop, which is only true for N = 1. Else the body is for every N.
    """
    scan = _SCAN_ONE_STATE if sizes.get("N") == 1 else _SCAN_ANY_STATE
    return _TO_ROUTES + scan + _MERGE
