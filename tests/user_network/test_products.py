"""Half precision by the rule of mixed precision: what rounds, and what does not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vmamba_deploy.ops.op import FLOAT16, FLOAT32
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.user_network.products import HalfProducts, WeightsOfProducts

HALF = torch.float16


def rounded(x: Tensor) -> Tensor:
    return x.to(HALF).float()


@pytest.mark.parametrize(
    ("product", "shapes"),
    [
        (F.linear, [(3, 5), (4, 5), (4,)]),
        (F.conv2d, [(1, 3, 6, 6), (4, 3, 3, 3), (4,)]),
        (F.conv1d, [(1, 3, 6), (4, 3, 3), (4,)]),
        (F.conv_transpose2d, [(1, 3, 6, 6), (3, 4, 2, 2)]),
        (torch.matmul, [(2, 3, 5), (2, 5, 4)]),
        (torch.bmm, [(2, 3, 5), (2, 5, 4)]),
        (Tensor.__matmul__, [(3, 5), (5, 4)]),
        (lambda a, b: a @ b, [(3, 5), (5, 4)]),
        (lambda a, b: torch.einsum("bi,bj->ij", a, b), [(3, 5), (3, 4)]),
        (torch.baddbmm, [(2, 3, 4), (2, 3, 5), (2, 5, 4)]),
    ],
)
def test_a_product_rounds_its_operands_once_and_its_result(product, shapes):
    operands = [torch.randn(shape) for shape in shapes]
    with HalfProducts(HALF):
        got = product(*operands)
    assert got.dtype == HALF
    exact = product(*(rounded(each).double() for each in operands))
    torch.testing.assert_close(got.double(), exact, rtol=2**-10, atol=2**-10)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.layer_norm(x, (8,)),
        lambda x: F.softmax(x, dim=-1),
        lambda x: x.softmax(-1),
        torch.exp,
        lambda x: x.mean(-1),
        lambda x: x.sum(),
        lambda x: F.normalize(x, dim=-1),
        lambda x: x.pow(2),
        lambda x: x**2,
        lambda x: F.group_norm(x.reshape(2, 8, 1), 2),
    ],
)
def test_what_adds_up_many_numbers_gets_float32(function):
    x = torch.randn(2, 8).to(HALF)
    with HalfProducts(HALF):
        got = function(x)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, function(x.float()))


def test_a_residual_stream_in_float32_stays_so_and_the_rest_computes_in_what_arrives():
    x, linear = torch.randn(3, 8), nn.Linear(8, 8)
    with HalfProducts(HALF), torch.inference_mode():
        assert (x + linear(x)).dtype == torch.float32
        assert F.silu(linear(x)).dtype == HALF
        assert nn.LayerNorm(8)(linear(x)).dtype == torch.float32
        assert nn.MultiheadAttention(8, 2)(linear(x), x, x)[0].dtype == torch.float32


@pytest.mark.parametrize(("wide", "code"), [((), FLOAT16), (("x",), FLOAT32), (("proj",), FLOAT32)])
def test_our_op_gets_one_dtype_and_float32_weights(wide, code):
    x, proj = (torch.randn(1, 3, 4, size).to(HALF) for size in (8, 16))
    x, proj = (v.float() if n in wide else v for n, v in (("x", x), ("proj", proj)))
    weights = [torch.randn(shape) for shape in ((4, 2, 8), (4, 8), (4, 1, 8), (4, 8))]
    weights[2] = -weights[2].abs()
    expected = selective_scan_2d(x.float(), proj.float(), *weights, FLOAT32)
    narrow = [weights[0].to(HALF), *weights[1:]]
    with HalfProducts(HALF):
        got = selective_scan_2d(x, proj, *narrow, FLOAT16)
    assert got.dtype == (HALF if code == FLOAT16 else torch.float32)
    torch.testing.assert_close(got.float(), expected, rtol=1e-2, atol=1e-2)


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.conv, self.norm = nn.Linear(4, 4), nn.Conv1d(4, 4, 1), nn.LayerNorm(4)
        self.split = nn.Parameter(torch.randn(8, 4))
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.split.chunk(2)
        x = self.norm(self.linear(x)) @ first + F.linear(x, second)
        return self.conv(x.T[None]) * self.scale[:, None] + self.conv.bias[:, None]


def test_parameters_of_products_alone_are_told_from_the_others():
    module = Mixed()
    watched = WeightsOfProducts(module)
    with torch.inference_mode(), watched:
        module(torch.randn(3, 4))
    # Its bias is added once more, outside of the product; the split one is taken apart before.
    assert watched.names == {"linear.weight", "linear.bias", "conv.weight"}
