"""A checkpoint's weights into a module that no family knows: found by the module's own names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.user_network.weights import fill_module


class Net(nn.Module):
    """With what other readers take for something else: a neck, integers, VMamba's names within."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.ModuleDict({"blocks": nn.ModuleList([self._block()])})])
        self.neck = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("index", torch.arange(6).reshape(2, 3))
        self.register_buffer("mask", torch.tensor([True, False]))

    @staticmethod
    def _block() -> nn.Module:
        return nn.ModuleDict({"op": nn.Linear(4, 4), "head": nn.Linear(4, 2)})


@pytest.fixture
def saved() -> dict[str, Tensor]:
    weights = {name: torch.randn_like(one.float()) for name, one in Net().state_dict().items()}
    weights["index"] = torch.tensor([[5, 4, 3], [2, 1, 0]])
    weights["mask"] = torch.tensor([False, True])
    del weights["norm.num_batches_tracked"]
    return weights


def filled(path: Path, **choice: str) -> Net:
    module = Net()
    fill_module(module, str(path), WeightsChoice(**choice))
    return module


def agree(module: nn.Module, saved: dict[str, Tensor]) -> None:
    own = module.state_dict()
    assert all(torch.equal(own[name], one) for name, one in saved.items())


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "model.", "net.backbone.", "module.generator."]
)
def test_any_one_prefix_is_taken_off(saved: dict[str, Tensor], tmp_path: Path, prefix: str) -> None:
    torch.save({f"{prefix}{name}": one for name, one in saved.items()}, tmp_path / "w.pth")
    agree(filled(tmp_path / "w.pth"), saved)


def test_what_stands_beside_the_prefix_is_left_out_with_a_word(
    saved: dict[str, Tensor], tmp_path: Path
) -> None:
    beside = {"criterion.weight": torch.ones(3), "discriminator.0.bias": torch.ones(2)}
    weights = {f"generator.{name}": one for name, one in saved.items()}
    torch.save({"state_dict": weights | beside}, tmp_path / "w.pth")
    module = Net()
    digest, contents = fill_module(module, str(tmp_path / "w.pth"), None)
    agree(module, saved)
    assert (contents.key, contents.prefix) == ("state_dict", "generator.")
    assert set(contents.left_out) == set(beside)
    assert len(digest) == 64


@pytest.mark.parametrize("key", ["model", "params_ema", "generator.weights"])
def test_the_dict_with_the_networks_names_is_found(
    saved: dict[str, Tensor], tmp_path: Path, key: str
) -> None:
    outer, _, inner = key.partition(".")
    tree: object = {inner: saved} if inner else saved
    others = {"discriminator": {"conv.weight": torch.ones(2)}, "optimizer": {"lr": 1.0}}
    torch.save({**others, outer: tree}, tmp_path / "w.pth")
    agree(filled(tmp_path / "w.pth"), saved)


def test_of_two_the_key_chooses(saved: dict[str, Tensor], tmp_path: Path) -> None:
    half = {name: one * 0 for name, one in saved.items()}
    torch.save({"params": saved, "params_ema": half}, tmp_path / "w.pth")
    agree(filled(tmp_path / "w.pth"), saved)  # before its moving average
    agree(filled(tmp_path / "w.pth", key="params_ema"), half)
    torch.save({"first": saved, "second": half}, tmp_path / "w.pth")
    with pytest.raises(InputFileError, match="holds weights under 'first', 'second'"):
        filled(tmp_path / "w.pth")
    both = {f"a.{n}": one for n, one in saved.items()} | {f"b.{n}": one for n, one in half.items()}
    torch.save(both, tmp_path / "w.pth")
    with pytest.raises(InputFileError, match=r"holds 2 networks.*'a\.', 'b\.'"):
        filled(tmp_path / "w.pth")
    agree(filled(tmp_path / "w.pth", prefix="b"), half)
    with pytest.raises(UsageError, match=r"begins with 'c\.'"):
        filled(tmp_path / "w.pth", prefix="c")


def test_safetensors_are_read_too(saved: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(saved, tmp_path / "w.safetensors")
    agree(filled(tmp_path / "w.safetensors"), saved)


def test_half_precision_weights_become_float32(saved: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(
        {n: one.half() if one.is_floating_point() else one for n, one in saved.items()},
        tmp_path / "w.pth",
    )
    module = filled(tmp_path / "w.pth")
    assert module.neck.weight.dtype == torch.float32
    assert torch.equal(module.neck.weight, saved["neck.weight"].half().float())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"neck.weight": None}, r"1 missing from the file:\n    neck\.weight"),
        ({"more": torch.ones(2)}, r"1 unexpected in the file:\n    more"),
        ({"neck.bias": torch.ones(5)}, r"neck\.bias: file \(5,\), network \(4,\)"),
        ({"index": torch.ones(2, 3)}, "index is torch.float32, the network's is torch.int64"),
        ({"neck.bias": torch.ones(4, dtype=torch.int64)}, "neck.bias is torch.int64"),
        ({"neck.bias": torch.ones(4, dtype=torch.complex64)}, "is not a plain tensor"),
    ],
)
def test_all_of_them_fit_or_nothing_is_filled(
    saved: dict[str, Tensor], tmp_path: Path, change: dict[str, Tensor | None], words: str
) -> None:
    weights = {name: one for name, one in (saved | change).items() if one is not None}
    torch.save(weights, tmp_path / "w.pth")
    module = Net()
    before = {name: one.clone() for name, one in module.state_dict().items()}
    with pytest.raises(InputFileError, match=words):
        fill_module(module, str(tmp_path / "w.pth"), None)
    agree(module, before)


def test_a_pickle_that_runs_a_program_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> object:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w').write('x')",)

    torch.save({"model": Evil()}, tmp_path / "w.pth")
    with pytest.raises(InputFileError):
        filled(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()
