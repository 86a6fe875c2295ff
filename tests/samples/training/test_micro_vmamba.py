from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samples.train_digits.digits_data import LABELS
from samples.train_digits.sample import CONFIG
from samples.training.micro_vmamba import FIRST_STEPS, new_network, save_network
from vmamba_deploy.models.vmamba.network import selective_scans


def test_a_new_network_leaves_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    new_network(CONFIG, 0)
    assert torch.equal(torch.rand(3), expected)


def test_scans_start_with_memory():
    for scan in selective_scans(new_network(CONFIG, 0)):
        steps = torch.nn.functional.softplus(scan.dt_projs_bias)
        assert steps.min() >= FIRST_STEPS[0] * 0.999
        assert steps.max() <= FIRST_STEPS[1] * 1.001


def test_weights_appear_whole_or_not_at_all(tmp_path, monkeypatch):
    kept = tmp_path / "digits.safetensors"
    save_network(new_network(CONFIG, 0), LABELS, (32, 32), kept)
    before = kept.read_bytes()

    def killed(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        save_network(new_network(CONFIG, 1), LABELS, (32, 32), kept)
    assert kept.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["digits.safetensors"]
