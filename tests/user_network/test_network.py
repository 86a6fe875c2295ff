"""A user's network behind the package's interfaces: as it was written, as it is adapted, cast."""

from __future__ import annotations

import copy
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tests.user_network.float64 import outputs_float64, weighted
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.models import LoadedModel
from vmamba_deploy.ops import torch_registration
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.ops.selective_scan_2d.torch_op import selective_scan_2d
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.tasks.task import Input
from vmamba_deploy.user_network.loading import IN_MEMORY, UserWeights, load_user_network
from vmamba_deploy.user_network.network import UserNetwork
from vmamba_deploy.user_network.our_calls import OpRecorder, ReferenceScans
from vmamba_deploy.user_network.outputs import named_outputs
from vmamba_deploy.user_network.request import AskedOutput, Interface

INTERFACE = Interface(
    (Input("image", "float32", (1, 3, 32, 32)), Input("gain", "float32", (1, 16)))
)


def load(module: nn.Module, interface: Interface = INTERFACE, **options: object) -> LoadedModel:
    return load_user_network(module, interface, UserWeights(IN_MEMORY), **options)


@pytest.fixture(scope="module")
def loaded() -> LoadedModel:
    return load(weighted())


def arrays(batch: int = 2) -> dict[str, np.ndarray]:
    generator = np.random.default_rng()
    return {
        "image": generator.standard_normal((batch, 3, 32, 48), dtype=np.float32),
        "gain": generator.standard_normal((batch, 16), dtype=np.float32),
    }


def given(network: nn.Module, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    image, gain = (torch.from_numpy(inputs[name]) for name in ("image", "gain"))
    with torch.inference_mode():
        return {name: one.numpy() for name, one in network(image, gain=gain).items()}


@pytest.mark.parametrize("way", ["adapted", "reference"])
def test_both_ways_give_what_float64_gives(loaded: LoadedModel, way: str) -> None:
    network, inputs = loaded.model, arrays()
    assert isinstance(network, UserNetwork)
    got = given(network if way == "adapted" else network.reference(), inputs)
    wanted = outputs_float64(weighted(), **inputs)
    for name in ("sharp", "logits"):
        np.testing.assert_allclose(got[name], wanted[name], rtol=1e-4, atol=1e-4)
    assert got["labels"].dtype == np.int64


def test_the_ops_are_counted_and_the_modules_that_call_them_named(loaded: LoadedModel) -> None:
    (calls,) = loaded.family.op_calls(loaded.model.config, "custom")
    assert (calls.op, calls.count) == (SELECTIVE_SCAN.key, 4)
    assert calls.sizes["N"] == 4
    assert not calls.sizes.keys() & {"B", "H", "W"}
    layers = ("module.mixers.0", "module.mixers.1", "module.stem")
    assert all(loaded.family.layers.fullmatch(name) for name in layers)
    assert not loaded.family.layers.fullmatch("module.mixers.0.conv")


def test_the_module_at_hand_stays_as_it_is() -> None:
    module = weighted().train()
    before = copy.deepcopy(module.state_dict())
    load(module)
    assert module.training
    assert all(torch.equal(one, before[name]) for name, one in module.state_dict().items())
    assert not any("forward" in vars(part) for part in module.modules())


def test_the_reference_computes_without_a_kernel_of_ours(loaded: LoadedModel) -> None:
    reference = loaded.model.reference()
    recorder = OpRecorder()
    with recorder:
        given(reference, arrays(1))
    assert not recorder.calls
    with recorder:
        given(loaded.model, arrays(1))
    assert recorder.calls


def test_a_network_that_calls_our_op_itself_is_compared_with_its_reference() -> None:
    parts = [torch.randn(shape) for shape in ((1, 3, 4, 8), (1, 3, 4, 16), (4, 2, 8), (4, 8))]
    call = (*parts, -torch.rand(4, 1, 8), torch.randn(4, 8), 1)
    name = SELECTIVE_SCAN_2D.torch_name
    with ReferenceScans():
        got = selective_scan_2d(*call)
    assert torch.equal(got, torch_registration.REFERENCES[name](*call))
    nothing = {name: lambda *_: torch.zeros(1)}
    with patch.dict(torch_registration.REFERENCES, nothing), ReferenceScans():
        assert selective_scan_2d(*call).shape == (1,)


class OfTwoSizes(nn.Module):
    """Calls our op by itself, with one state and with two."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.proj = nn.ModuleList(nn.Linear(8, 4 * (2 + 2 * states)) for states in (1, 2))
        self.dt = nn.Parameter(torch.randn(2, 4, 2, 8))
        self.rates = nn.ParameterList(torch.rand(4, states, 8) for states in (1, 2))
        self.rest = nn.Parameter(torch.randn(2, 4, 8))

    def forward(self, x: Tensor) -> Tensor:
        for proj, dt, rate, rest in zip(self.proj, self.dt, self.rates, self.rest, strict=True):
            x = torch.ops.vmamba.selective_scan_2d(x, proj(x), dt, rest, -rate, rest, FLOAT32)
        return x


def test_calls_of_several_sizes_get_a_body_for_any_and_a_reference(tmp_path: Path) -> None:
    loaded = load(OfTwoSizes(), Interface((Input("x", "float32", (1, 3, 4, 8)),)))
    (calls,) = loaded.family.op_calls(loaded.model.config, "custom")
    assert (calls.op, calls.count, dict(calls.sizes)) == (SELECTIVE_SCAN_2D.key, 2, {"R": 2})
    model = export_onnx(loaded, tmp_path / "model.onnx", ExportOptions())
    x, recorder = torch.randn(2, 3, 4, 8), OpRecorder()
    with torch.inference_mode(), recorder:
        wanted = loaded.model.reference()(x)["output"].numpy()
    assert not recorder.calls
    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"x": x.numpy()})
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("precision", "bound"), [("fp16", 2e-2), ("bf16", 0.15)])
def test_half_precision_is_in_the_products_and_in_their_weights(
    loaded: LoadedModel, precision: str, bound: float
) -> None:
    cast = loaded.family.cast(loaded.model, precision)
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    weights = cast.module.state_dict()
    products = ["stem.0.weight", "mixers.0.in_proj.weight", "mixers.1.x_proj.0.weight"]
    assert {weights[name].dtype for name in [*products, "head.bias"]} == {half}
    exact = ["mixers.0.A_log", "mixers.0.D", "norms.0.weight", "stem.1.running_mean"]
    assert {weights[name].dtype for name in exact} == {torch.float32}
    assert loaded.model.module.stem[0].weight.dtype == torch.float32
    inputs = arrays()
    got, wanted = given(cast, inputs), outputs_float64(weighted(), **inputs)
    for name in ("sharp", "logits"):
        assert got[name].dtype == np.float32
        error = np.abs(got[name] - wanted[name]).max() / np.abs(wanted[name]).max()
        assert 1e-6 < error < bound


def test_an_image_is_prepared_where_somebody_says_how() -> None:
    assert load(weighted()).preprocessing is None
    said = load(weighted(), preprocessing=PreprocessingOptions(mean=(0.5,), std=(0.25,)))
    assert said.preprocessing is not None
    assert said.preprocessing.mean == (0.5,) * 3
    assert said.preprocessing.crop_pixels == (32, 32)
    gain_first = Interface(tuple(reversed(INTERFACE.inputs)))
    with pytest.raises(UsageError, match="are of an image, and gain is float32 of 1x16"):
        load(weighted(), gain_first, preprocessing=PreprocessingOptions(mean=(0.5,)))


def test_a_mask_of_infinities_is_no_broken_weight(tmp_path: Path) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = weighted()
            self.register_buffer("mask", torch.full((7,), -torch.inf))

        def forward(self, image: Tensor, gain: Tensor) -> Tensor:
            logits = self.inner(image, gain)["logits"]
            return (logits + self.mask.clamp(min=-5.0)).softmax(-1)

    loaded = load(Masked())
    assert loaded.model.masks == {"module.mask"}
    export_onnx(loaded, tmp_path / "model.onnx", ExportOptions())
    loaded.model.module.mask[0] = torch.nan
    with pytest.raises(InputFileError, match=r"NaN or infinity: module\.mask \(7 values\)"):
        export_onnx(loaded, tmp_path / "other.onnx", ExportOptions())


def test_nothing_to_export_is_told() -> None:
    class Plain(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image

    with pytest.raises(InputFileError, match="calls no operator of this package"):
        load(Plain(), Interface(INTERFACE.inputs[:1]))


def test_outputs_have_names_whatever_holds_them() -> None:
    a, b = torch.ones(2), torch.ones(3, dtype=torch.float64)
    assert list(named_outputs(a)) == list(named_outputs((a,))) == ["output"]
    assert list(named_outputs((a, b))) == list(named_outputs([a, b])) == ["output_0", "output_1"]
    assert list(named_outputs({"x": a, "y": b})) == ["x", "y"]
    asked = (AskedOutput("first"), AskedOutput("second"))
    assert list(named_outputs((a, b), asked)) == ["first", "second"]
    assert named_outputs((a, b))["output_1"].dtype == torch.float32
    assert list(named_outputs({"x": a, "y": b}, (AskedOutput("y"),))) == ["y"]
    with pytest.raises(UsageError, match="gives no output z"):
        named_outputs({"x": a}, (AskedOutput("z"),))
