import sys

import numpy as np
import pytest
import torch

from tests.analysis import stub_timm
from vmamba_deploy import extras
from vmamba_deploy.analysis.timm_network import TimmNetwork
from vmamba_deploy.errors import BuildError, EnvironmentProblem, UsageError
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING
from vmamba_deploy.runtimes.onnxruntime import create_session


@pytest.fixture
def timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", stub_timm)
    monkeypatch.setattr(extras, "find_spec", lambda name: name)


@pytest.mark.parametrize(
    "text",
    ["plain", "swin:plain", "timm:", "timm:plain,7", "timm:plain,window_size=x", "timm:plain,=7"],
)
def test_what_is_written_otherwise_is_refused(timm, text):
    with pytest.raises(UsageError, match="is not a network to put beside") as caught:
        TimmNetwork.parsed(text)
    assert "window_size=7" in caught.value.hint


def test_a_network_that_timm_does_not_know(timm):
    with pytest.raises(UsageError, match="no network named 'resnet'"):
        TimmNetwork.parsed("timm:resnet")


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "timm" else name)
    with pytest.raises(EnvironmentProblem, match="module timm") as caught:
        TimmNetwork.parsed("timm:plain")
    assert caught.value.hint == "pip install 'vmamba-deploy[compare]'"


def test_the_weights_are_the_same_every_time_and_the_random_state_stays(timm):
    one = TimmNetwork.parsed("timm:plain")
    state = torch.random.get_rng_state()
    first, second = one.build((64, 64)), one.build((64, 96))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.head.weight, second.head.weight)
    assert not first.training


@pytest.mark.parametrize(
    ("text", "size", "window"),
    [
        ("timm:windowed", (32, 32), 7),
        ("timm:windowed", (128, 128), 4),
        ("timm:windowed,window_size=7", (128, 128), 7),
        ("timm:windowed,window_size=5", (32, 32), 5),
    ],
)
def test_a_network_is_told_the_size_and_what_goes_with_it(timm, text, size, window):
    network = TimmNetwork.parsed(text).build(size)
    assert (network.size, network.window) == (size, window)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("timm:windowed", (30, 30)),
        ("timm:windowed,depth=2", (64, 64)),
        ("timm:plain,window_size=7", (64, 64)),
    ],
)
def test_a_size_that_cannot_be_had(timm, text, size):
    with pytest.raises(UsageError, match=f"cannot be had for images of {size[0]}x{size[1]}"):
        TimmNetwork.parsed(text).build(size)


def test_the_last_map_is_that_before_the_norm(timm):
    one, pixels = TimmNetwork.parsed("timm:plain"), torch.rand(1, 3, 64, 64)
    network = one.build((64, 64))
    assert torch.equal(one.last_map(network, pixels), network.stem(pixels))
    with pytest.raises(UsageError, match="no feature maps"):
        TimmNetwork.parsed("timm:headless").last_map(stub_timm.Headless(), pixels)


def test_images_are_prepared_as_the_network_says(timm):
    prepared = TimmNetwork.parsed("timm:plain").preprocessing((64, 96))
    assert (prepared.mean, prepared.std) == (stub_timm.CONFIG.mean, stub_timm.CONFIG.std)
    assert prepared.crop_pixels == (64, 96)
    usual = IMAGENET_PREPROCESSING.for_size((64, 96))
    assert TimmNetwork.parsed("timm:windowed").preprocessing((64, 96)) == usual


def test_the_file_computes_what_the_network_does(timm, tmp_path):
    one, path = TimmNetwork.parsed("timm:windowed"), tmp_path / "windowed.onnx"
    network, pixels = one.build((64, 64)), torch.rand(1, 3, 64, 64)
    one.export(network, (64, 64), path)
    (found,) = create_session(path, precision="fp32").run(None, {"pixel_values": pixels.numpy()})
    np.testing.assert_allclose(found, network(pixels).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_what_pytorch_cannot_export_leaves_nothing_behind(timm, tmp_path):
    one = TimmNetwork.parsed("timm:plain")
    network = one.build((64, 64))
    network.forward = lambda pixels: pixels if pixels.sum() > 0 else -pixels
    with pytest.raises(BuildError, match="cannot export timm:plain"):
        one.export(network, (64, 64), tmp_path / "plain.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "window"), [("swin_tiny_patch4_window7_224", 2), ("convnext_atto", None)]
)
def test_networks_of_timm_itself(name, window):
    pytest.importorskip("timm", reason="timm is not installed, or fits no PyTorch here")
    one = TimmNetwork.parsed(f"timm:{name}")
    network = one.build((64, 64))
    features = one.last_map(network, torch.rand(1, 3, 64, 64))
    assert features.shape[2:] == (2, 2)
    if window is not None:
        assert network.layers[0].blocks[0].attn.window_size == (window, window)
