"""The network with our op on a GPU: eager, compiled and as a CUDA graph, against fp32."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from vmamba_deploy.models import create_model
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.network import (
    VMamba,
    convert_precision,
    empty_network,
    freeze_scan_parameters,
    set_scan_backend,
)
from vmamba_deploy.models.vmamba.presets import PRESETS
from vmamba_deploy.precisions import BASES, PRECISIONS, PrecisionName

pytestmark = pytest.mark.gpu
SIDE = 96
Forward = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True, scope="module")
def pytorch_on_the_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} does not see a GPU")


@pytest.fixture(autouse=True)
def convolutions_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch lets cuDNN round the inputs of float32 convolutions to ten bits."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module", params=["vmamba_tiny_s1l8", "vanilla_vmamba_tiny"])
def network(request: pytest.FixtureRequest) -> VMamba:
    """A shallow network with the preset's kind of layers and widths, on the CPU."""
    config = PRESETS[request.param].config
    model = empty_network(type(config)(**{**vars(config), "depths": (1, 1, 2, 1)}))
    initialize(model, seed=5)
    freeze_scan_parameters(model)
    return model


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def expected(network: VMamba, pixels: Tensor) -> Tensor:
    """float32 logits of plain tensor operations on the CPU: no kernel of ours, no TF32."""
    reference = copy.deepcopy(network)
    set_scan_backend(reference, "reference")
    with torch.inference_mode():
        return reference(pixels)


def on_gpu(network: VMamba, precision: PrecisionName) -> VMamba:
    return convert_precision(network, precision).to("cuda", memory_format=torch.channels_last)


def nmse(got: Tensor, expected: Tensor) -> float:
    assert got.isfinite().all()
    difference = got.double().cpu() - expected.double()
    return float(difference.square().sum() / expected.double().square().sum())


def graph_of(forward: Forward, pixels: Tensor) -> Forward:
    """A CUDA graph of one forward pass; it is called with new images."""
    target = pixels.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        forward(target)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = forward(target)

    def replay(images: Tensor) -> Tensor:
        target.copy_(images)
        graph.replay()
        return logits.clone()

    return replay


@pytest.mark.parametrize("precision", BASES)
def test_eager_agrees_with_fp32(
    network: VMamba, pixels: Tensor, expected: Tensor, precision: PrecisionName
) -> None:
    with torch.inference_mode():
        logits = on_gpu(network, precision)(pixels.cuda())
    assert nmse(logits, expected) <= PRECISIONS[precision].thresholds.nmse


@pytest.mark.parametrize("precision", BASES)
def test_compiled_without_a_graph_break_it_agrees_with_fp32(
    network: VMamba, pixels: Tensor, expected: Tensor, precision: PrecisionName
) -> None:
    torch.compiler.reset()
    # fullgraph makes a graph break an error.
    compiled = torch.compile(on_gpu(network, precision), fullgraph=True, dynamic=False)
    with torch.inference_mode():
        logits = compiled(pixels.cuda())
    assert nmse(logits, expected) <= PRECISIONS[precision].thresholds.nmse


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_cuda_graph_follows_its_images_bit_for_bit(
    network: VMamba, pixels: Tensor, compiled: bool
) -> None:
    torch.compiler.reset()
    model: Forward = on_gpu(network, "fp16")
    if compiled:
        model = torch.compile(model, fullgraph=True, dynamic=False)
    images, others = pixels.cuda(), pixels.flip(0).cuda()
    with torch.inference_mode():
        first, second = model(images).clone(), model(others).clone()
        replay = graph_of(model, images)
        assert torch.equal(replay(others), second)
        assert torch.equal(replay(images), first)
    assert not torch.equal(first, second)


def test_mixed_precision_of_pytorch_agrees_with_fp32(
    network: VMamba, pixels: Tensor, expected: Tensor
) -> None:
    with torch.inference_mode(), torch.autocast("cuda", dtype=torch.float16):
        logits = on_gpu(network, "fp32")(pixels.cuda())
    assert nmse(logits, expected) <= PRECISIONS["fp16"].thresholds.nmse


def test_the_published_network_keeps_its_classes_in_half_precision() -> None:
    model = create_model("vmamba_tiny_s1l8")
    freeze_scan_parameters(model)
    images = torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(1)).cuda()
    with torch.inference_mode():
        full, half = on_gpu(model, "fp32")(images), on_gpu(model, "fp16")(images)
    assert nmse(half, full.cpu()) <= PRECISIONS["fp16"].thresholds.nmse
    assert torch.equal(half.argmax(dim=1), full.argmax(dim=1))
