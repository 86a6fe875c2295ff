"""The judge of candidates: what it notices, and that it leaves the module as it was."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.adapting.dialect import make_lively
from vmamba_deploy.adapting import adapt
from vmamba_deploy.adapting.adapted_forward import adapted_forward
from vmamba_deploy.adapting.fused.mamba import FusedMamba, MambaForm
from vmamba_deploy.adapting.stand_ins.mamba import Mamba
from vmamba_deploy.adapting.verification import Judge, OwnForwardError, agrees

SHAPES = [(2, 7, 6)]


@pytest.fixture
def mixer() -> Mamba:
    module = Mamba(6, d_state=3)
    make_lively(module, 2)
    return module


def candidate(mixer: Mamba) -> FusedMamba:
    return FusedMamba(mixer, MambaForm(1), "reference")


def test_the_right_candidate_agrees(mixer: Mamba) -> None:
    assert agrees(Judge(mixer, SHAPES).nmse(candidate(mixer)))


SLIGHT: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "A": lambda w, b, a, d: (w, b, a * 1.001, d),
    "skip": lambda w, b, a, d: (w, b, a, d * 1.001),
    "bias": lambda w, b, a, d: (w, b * 1.001, a, d),
    "step": lambda w, b, a, d: (w * 1.001, b, a, d),
}


@pytest.mark.parametrize("name", SLIGHT)
def test_a_thousandth_of_each_parameter_is_noticed(mixer: Mamba, name: str) -> None:
    wrong = candidate(mixer)
    exact = wrong.scan_parameters
    wrong.scan_parameters = lambda: SLIGHT[name](*exact())  # type: ignore[method-assign]
    assert not agrees(Judge(mixer, SHAPES).nmse(wrong))


def test_parameters_that_silence_a_part_hide_nothing(mixer: Mamba) -> None:
    """With a gate of zero every candidate gives what the module gives: nothing."""
    with torch.no_grad():
        mixer.in_proj.weight[12:] = 0
    assert not mixer(torch.randn(1, 4, 6)).any()
    wrong = FusedMamba(mixer, MambaForm(1, activation="relu"), "reference")
    assert not agrees(Judge(mixer, SHAPES).nmse(wrong))
    assert agrees(Judge(mixer, SHAPES).nmse(candidate(mixer)))


def test_what_a_module_does_with_its_own_parameters_alone_is_noticed() -> None:
    class Lucky(Mamba):
        def forward(self, hidden_states: Tensor, inference_params: object = None) -> Tensor:
            y = super().forward(hidden_states)
            return y + 1 if float(self.D.detach().sum()) == self.d_inner else y

    mixer = Lucky(6, d_state=3)  # its skip is all ones, which no random one is
    assert not agrees(Judge(mixer, SHAPES).nmse(candidate(mixer)))


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x[:, :1],
        lambda x: torch.full_like(x, math.nan),
        lambda x: x @ torch.ones(5, 5),
        lambda x: torch.zeros_like(x),
    ],
    ids=["another shape", "NaN", "shapes that do not fit", "nothing"],
)
def test_nonsense_is_no_candidate(mixer: Mamba, answer: Callable[[Tensor], Tensor]) -> None:
    assert not agrees(Judge(mixer, SHAPES).nmse(answer))


def test_the_module_is_left_as_it_was(mixer: Mamba) -> None:
    mixer.train()
    before = {name: value.clone() for name, value in mixer.state_dict().items()}
    judge = Judge(mixer, SHAPES)
    judge.nmse(candidate(mixer))
    judge.nmse(lambda x: x @ torch.ones(5, 5))
    with pytest.raises(ValueError, match="a bug of ours"):
        judge.nmse(_buggy)
    assert mixer.training
    assert adapted_forward(mixer) is None
    assert "forward" not in vars(mixer)
    for name, value in mixer.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in mixer.parameters())


def _buggy(_x: Tensor) -> Tensor:
    raise ValueError("a bug of ours")


class Other(nn.Module):
    def __init__(self, answer: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.weight, self.answer = nn.Parameter(torch.ones(1)), answer

    def forward(self, x: Tensor) -> object:
        return self.answer(x)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda x: x[:1], r"its own forward gives \[1, 7, 6\] for \[2, 7, 6\]"),
        (lambda x: (x, x), r"its own forward gives tuple for \[2, 7, 6\]"),
        (lambda x: x @ x, r"its own forward fails on \[2, 7, 6\]: RuntimeError: "),
        (lambda x: x.nothing, r"its own forward fails on .*: AttributeError: .*'nothing'"),
    ],
)
def test_a_forward_that_cannot_be_judged_says_why(
    answer: Callable[[Tensor], object], told: str
) -> None:
    with pytest.raises(OwnForwardError, match=told):
        Judge(Other(answer), SHAPES)


def test_a_forward_that_changes_its_input_is_not_replaced() -> None:
    """The network around it may read that input again, as a residual."""

    class InPlace(Mamba):
        def forward(self, hidden_states: Tensor, inference_params: object = None) -> Tensor:
            y = super().forward(hidden_states.clone())
            hidden_states.mul_(3)
            return y

    with pytest.raises(OwnForwardError, match="its own forward changes its input"):
        Judge(InPlace(6, d_state=3), SHAPES)
    (replaced,) = adapt(InPlace(6, d_state=3)).replaced
    assert replaced.what.startswith(
        "InPlace, its calls of mamba_inner_fn_no_out_proj (not replaced"
    )
