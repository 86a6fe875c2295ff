"""Networks in public dialects: what is found, that it is equal, and what is left alone."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import vmamba_deploy
from tests.adapting.conftest import adapted, fresh
from tests.adapting.dialect import Dialect
from vmamba_deploy.adapting import AdaptReport, adapt, freeze, fusing, unadapted
from vmamba_deploy.adapting.adapted_forward import adapted_forward
from vmamba_deploy.adapting.report import SCAN, SCAN_2D
from vmamba_deploy.adapting.stand_ins.mamba import Mamba
from vmamba_deploy.adapting.verification import agrees
from vmamba_deploy.errors import UsageError

FOUND = {
    "mamba_ir": {f"layers.{i}.self_attention": ("SS2D, as a whole", SCAN_2D) for i in (0, 1)},
    "mamba_ssm_class": dict.fromkeys(("fast", "slow", "packaged"), ("Mamba, as a whole", SCAN)),
    "mamba_vision": {
        f"blocks.{i}.mixer": ("MambaVisionMixer, its calls of selective_scan_fn", SCAN)
        for i in (0, 1)
    },
    "mamba_yolo": {f"blocks.{i}.ss2d.0": ("SS2D, as a whole", SCAN_2D) for i in (0, 1)},
    "swin_umamba": dict.fromkeys(
        (f"{name}.self_attention" for name in ("stage0.0", "stage0.1", "stage1")),
        ("SS2D, as a whole", SCAN_2D),
    ),
    "u_mamba": {f"stage{i}.1.mamba": ("Mamba, as a whole", SCAN) for i in (0, 1)},
    "vanilla_ss2d": {
        f"{name}.self_attention": ("SS2D, as a whole", SCAN_2D) for name in ("down", "bottom", "up")
    },
    "vim": {
        f"layers.{i}.mixer": (f"{name}, as a whole", SCAN)
        for i, name in enumerate(("BiMamba", "Mamba", "BiMamba"))
    },
    "vmamba_v2": dict.fromkeys(
        ("first.0.op", "first.1.op", "second.op"), ("SS2D, as a whole", SCAN_2D)
    ),
}
"""Of each dialect the paths, what stands there, and our operator's node."""


def nmse(y: Tensor, expected: Tensor) -> float:
    difference = (y - expected).double().square().sum()
    return float(difference / expected.double().square().sum())


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_users_find_it_at_the_top_of_the_package() -> None:
    assert vmamba_deploy.adapt is adapt


def test_every_scan_of_a_dialect_is_found(dialect: Dialect) -> None:
    report = adapt(dialect.network)
    found = {one.path: (one.what, one.by) for one in report.replaced}
    assert found == FOUND[dialect.name]
    assert report.unknown == ()


def test_an_adapted_network_gives_what_it_gave_before(dialect: Dialect) -> None:
    network = adapted(dialect.name).network
    for seed in (1, 2):
        x = dialect.another_input(seed)
        expected = dialect.network(x)
        y = network(x)
        assert not torch.equal(y, expected), "nothing was replaced"
        assert agrees(nmse(y, expected))


def test_unadapted_it_computes_bit_by_bit_as_before(dialect: Dialect) -> None:
    network = adapted(dialect.name).network
    with unadapted():
        y = network(dialect.example)
    assert torch.equal(y, dialect.network(dialect.example))


def test_names_of_parameters_stay_and_new_weights_are_taken(dialect: Dialect) -> None:
    network, before = adapted(dialect.name).network, dialect.network
    assert list(network.state_dict()) == list(before.state_dict())
    other = {name: value + 0.01 for name, value in before.state_dict().items()}
    for each in (before, network):
        each.load_state_dict(other)
    assert agrees(nmse(network(dialect.example), before(dialect.example)))


def test_a_copy_is_adapted_and_has_weights_of_its_own(dialect: Dialect) -> None:
    network = adapted(dialect.name).network
    expected = network(dialect.example)
    copied = copy.deepcopy(network)
    for parameter in network.parameters():
        parameter.zero_()
    assert torch.equal(copied(dialect.example), expected)


def test_frozen_it_computes_the_same_and_keeps_its_names(dialect: Dialect) -> None:
    network = adapted(dialect.name).network
    names, expected = list(network.state_dict()), network(dialect.example)
    freeze(network)
    assert torch.equal(network(dialect.example), expected)
    assert list(network.state_dict()) == names


def test_frozen_the_scan_s_parameters_are_constants() -> None:
    network, x = adapted("vim").network, fresh("vim").example
    freeze(network)
    expected = network(x)
    for name, parameter in network.named_parameters():
        if name.endswith(("A_log", "A_b_log", ".D", ".D_b", "dt_proj.weight", "dt_proj_b.bias")):
            parameter.zero_()
    assert torch.equal(network(x), expected)
    freeze(network)
    assert not torch.equal(network(x), expected)


def test_gradients_reach_every_parameter_that_had_one() -> None:
    dialect = fresh("vanilla_ss2d")

    def gradients(network: nn.Module) -> dict[str, Tensor]:
        network.zero_grad()
        with torch.enable_grad():
            network(dialect.example).square().mean().backward()
        return {name: one.grad.clone() for name, one in network.named_parameters()}

    before = gradients(dialect.network)
    adapt(dialect.network)
    for name, gradient in gradients(dialect.network).items():
        torch.testing.assert_close(gradient, before[name], atol=1e-5, rtol=1e-3)


class NoScan(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def test_a_network_without_a_scan_is_an_error_with_a_hint() -> None:
    with pytest.raises(UsageError, match="NoScan has no selective scan that is known") as told:
        adapt(NoScan())
    assert "vmamba_deploy.shims()" in str(told.value.hint)


def test_a_network_is_adapted_once() -> None:
    network = fresh("u_mamba").network
    adapt(network)
    for one in (network, copy.deepcopy(network), nn.Sequential(network)):
        with pytest.raises(UsageError, match="this network was adapted before"):
            adapt(one)


def test_other_things_and_other_precisions_are_refused() -> None:
    with pytest.raises(UsageError, match=r"adapt takes a torch.nn.Module, got str"):
        adapt("network.pth")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"network in float32; stem.0.weight is torch.float16"):
        adapt(fresh("u_mamba").network.half())


class Shifted(Mamba):
    """Somebody's own idea: the parameters of Mamba, and a forward that no form has."""

    def forward(self, hidden_states: Tensor, inference_params: object = None) -> Tensor:
        return super().forward(hidden_states.roll(1, dims=1), inference_params)


class Hidden(nn.Module):
    """A recurrence of its own, that calls nothing that is known."""

    def __init__(self) -> None:
        super().__init__()
        self.A_log = nn.Parameter(torch.zeros(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.exp(-torch.exp(self.A_log)).mean()


class Together(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mixer, self.hidden = Shifted(8, d_state=2), Hidden()

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden(self.mixer(x))


def test_what_no_form_reproduces_keeps_its_forward_and_has_its_calls_replaced() -> None:
    network, x = Together(), torch.randn(2, 6, 8)
    expected = network(x)
    report = adapt(network)
    (replaced,), (unknown,) = report.replaced, report.unknown
    assert replaced.path == "mixer"
    assert replaced.what == (
        "Shifted, its calls of mamba_inner_fn_no_out_proj "
        "(not replaced as a whole: its forward gives what no known form gives)"
    )
    assert replaced.by == SCAN
    assert (unknown.path, unknown.what) == ("hidden", "Hidden")
    assert unknown.why == "its parameters are of no known mixer, and it calls no known scan"
    torch.testing.assert_close(network(x), expected, atol=1e-6, rtol=1e-5)


def test_a_class_without_a_known_form_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    own = fusing.Judge.nmse
    monkeypatch.setattr(fusing.Judge, "nmse", lambda *call: tried.append(1) or own(*call))
    adapt(Shifted(8, d_state=2))
    alone = len(tried)
    report = adapt(nn.Sequential(*(Shifted(8, d_state=2) for _ in range(3))))
    assert len(tried) == 2 * alone
    assert len({one.what for one in report.replaced}) == 1


def test_three_directions_are_replaced_at_their_calls() -> None:
    mixer, x = Mamba(8, d_state=2, bimamba_type="v3", nslices=3), torch.randn(2, 12, 8)
    expected = mixer(x)
    (replaced,) = adapt(mixer).replaced
    assert replaced.what == "Mamba, its calls of mamba_inner_fn_no_out_proj"
    torch.testing.assert_close(mixer(x), expected, atol=1e-6, rtol=1e-5)


class Failing(Mamba):
    def forward(self, hidden_states: Tensor, inference_params: object = None) -> Tensor:
        raise ValueError("only on our cluster\nand nowhere else")


def test_a_forward_that_cannot_be_run_is_told_with_its_reason() -> None:
    report = adapt(nn.Sequential(Mamba(8, d_state=2), Failing(8, d_state=2)))
    assert [one.path for one in report.replaced] == ["0", "1"]
    assert "its own forward fails on [1, 7, 8]: ValueError: only on our cluster)" in (
        report.replaced[1].what
    )


def test_a_network_of_which_nothing_can_be_replaced_is_an_error_with_the_reasons() -> None:
    with pytest.raises(UsageError, match="no selective scan of Hidden could be replaced") as told:
        adapt(Hidden())
    assert "\n  the network itself: Hidden: its parameters are of no known mixer" in str(told.value)


def test_other_arguments_than_those_that_were_verified_are_refused() -> None:
    mixer = Mamba(8, d_state=2)
    adapt(mixer)
    x = torch.randn(1, 4, 8)
    expected = mixer(x)
    for y in (mixer(hidden_states=x), mixer(x, inference_params=None)):
        assert torch.equal(y, expected)
    with pytest.raises(UsageError, match="of one tensor; it is called with inference_params as"):
        mixer(x, inference_params={"cache": 1})


def test_the_report_reads_as_a_list() -> None:
    report = adapt(Together())
    first, second = str(report).splitlines()
    assert first.startswith("replaced  mixer: Shifted, its calls of ")
    assert first.endswith(" by vmamba::SelectiveScan")
    assert second.startswith("unknown   hidden: Hidden: its parameters are of no known mixer")


def test_reports_are_values() -> None:
    report = adapt(fresh("u_mamba").network)
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301  our own
    assert report == AdaptReport(report.replaced, report.unknown)


def test_modules_keep_their_mode_and_their_random_numbers() -> None:
    network = fresh("mamba_ir").network.train()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    adapt(network)
    assert torch.equal(torch.rand(3), expected)
    assert all(module.training for module in network.modules())


def test_the_inside_of_a_fused_module_is_not_looked_at() -> None:
    network = fresh("mamba_yolo").network
    adapt(network)
    inside = [m for path, m in network.named_modules() if path.startswith("blocks.0.ss2d.0.")]
    assert inside
    assert all(adapted_forward(module) is None for module in inside)
