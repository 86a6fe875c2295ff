"""A second family, with an op of its own, goes all the way through the public registries alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from vmamba_deploy.errors import ExitCode, InputFileError
from vmamba_deploy.exporting.onnx_file import export_onnx
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.inference import load
from vmamba_deploy.models import (
    FAMILIES,
    Family,
    Network,
    OpCalls,
    Preset,
    create_model,
    load_model,
    load_weights,
)
from vmamba_deploy.models.family import NotThisFamilyError
from vmamba_deploy.ops.op import FLOAT32, Op, Operand
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.parity.inputs import load_photo
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.parity import parity_inputs
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.preprocessing import Preprocessing, preprocess
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

GRAY = Preprocessing(
    crop_pixels=(48, 40), resize_pixels=44, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.4)
)
SCALE = Op(
    domain="toy",
    op_type="Scale",
    version=1,
    inputs=(Operand("x", "T", ("B", "H", "W", "D")), Operand("w", "float32", ("D",))),
    outputs=(Operand("y", "T", ("B", "H", "W", "D")),),
    attributes=(),
    type_variables={"T": (FLOAT32,)},
    formulas={},
    limits={},
    torch_name="toy::scale",
    torch_module="torch",  # the operator is registered below
    body=lambda sizes: "y = Mul (x, w)" if sizes["D"] else "",
    body_min_opset=18,
)


@torch.library.custom_op("toy::scale", mutates_args=())
def scale(x: Tensor, w: Tensor) -> Tensor:
    return x * w


@scale.register_fake
def _(x: Tensor, w: Tensor) -> Tensor:
    return torch.empty_like(x)


@dataclass(frozen=True)
class ToyConfig:
    channels: int = 6
    num_classes: int | None = 3


class Toy(Network):
    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config, self.tasks = config, ("classification",)
        self.stem = nn.Conv2d(3, config.channels, 4, stride=4)
        self.gain = nn.Parameter(torch.empty(config.channels))
        self.head = nn.Linear(config.channels, config.num_classes)

    def forward(self, pixel_values: Tensor) -> Tensor:
        x = scale(self.stem(pixel_values).permute(0, 2, 3, 1).contiguous(), self.gain)
        return self.head(x.mean(dim=(1, 2)))


class ToyFamily(Family[ToyConfig]):
    name = "Toy"
    presets = MappingProxyType({"toy_net": Preset("toy_net", ToyConfig(), GRAY)})
    aliases = MappingProxyType({"toy": "toy_net"})
    own_names = re.compile(r"(stem|gain|head)\b")
    layers = re.compile(r"stem|head")

    def build(self, config: ToyConfig) -> Network:
        return Toy(config)

    def initialize(self, network: Network, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for parameter in network.parameters():
            nn.init.normal_(parameter, generator=generator)

    def canonical_weights(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        return {name.replace("patches.", "stem."): tensor for name, tensor in tensors.items()}

    def detect(self, weights: Mapping[str, Tensor]) -> ToyConfig:
        if "gain" not in weights:
            raise NotThisFamilyError("there is no 'gain'")
        return ToyConfig(len(weights["gain"]), len(weights["head.bias"]))

    def like_file(self, config: ToyConfig, weights: Mapping[str, Tensor]) -> ToyConfig:
        return replace(config, num_classes=len(weights["head.bias"]))

    def preset_with(self, config: ToyConfig) -> str | None:
        return "toy_net" if config.channels == 6 else None

    def cast(self, network: Network, precision: str) -> Network:
        assert precision == "fp32"
        return network

    def freeze(self, network: Network) -> None:
        pass

    def op_calls(self, config: ToyConfig, task: str) -> tuple[OpCalls, ...]:
        return (OpCalls(SCALE.key, 1, {"D": config.channels}),)

    def summary(self, config: ToyConfig) -> dict[str, Any]:
        return {"channels": config.channels}


@pytest.fixture(autouse=True, scope="module")
def registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, "Toy", ToyFamily())
        patch.setitem(OPS, SCALE.key, SCALE)
        yield


def test_weights_of_either_family_are_recognised(tmp_path: Path) -> None:
    weights = create_model("toy", num_classes=5, seed=1).state_dict()
    other_dialect = {name.replace("stem.", "patches."): value for name, value in weights.items()}
    torch.save({"model": other_dialect}, tmp_path / "toy.pth")
    loaded = load_weights(str(tmp_path / "toy.pth"))
    assert (loaded.family.name, loaded.preset_name) == ("Toy", "toy_net")
    assert torch.equal(loaded.model.state_dict()["stem.weight"], weights["stem.weight"])
    golden = Path(__file__).parents[1] / "data" / "golden" / "vssm_s1.pth"
    assert load_weights(str(golden)).family.name == "VMamba"
    torch.save({"model": {"fc.weight": torch.ones(2)}}, tmp_path / "none.pth")
    with pytest.raises(InputFileError, match=r"of a VMamba: .*; nor of a Toy: there is no 'gain'"):
        load_model(tmp_path / "none.pth")


@pytest.mark.parametrize("inside", [False, True])
def test_its_export_is_proven_and_prepares_images_as_the_preset_says(
    tmp_path: Path, inside: bool
) -> None:
    plan = ExportPlan(
        model="toy",
        num_classes=3,
        output=tmp_path / "out",
        preprocess=inside,
        build_engine=False,
        engine=EnginePlan(batches=(1, 2)),
    )
    outcome = run_export(plan, lambda _event: None)
    assert outcome.exit_code == ExitCode.OK
    assert "onnxruntime-body" in {run.runtime for run in outcome.parity if run.status == "passed"}
    model = onnx.load(outcome.folder / "model.onnx")
    assert [(node.domain, node.op_type) for node in model.graph.node].count(SCALE.key) == 1
    assert [(body.domain, body.name) for body in model.functions] == [SCALE.key]

    with load(outcome.folder, runtime="ort") as opened:
        assert opened.preprocessing == replace(GRAY, normalisation_in_graph=inside)
        logits = opened(opened.preprocess([load_photo("cat")]))
    network = create_model("toy", num_classes=3)
    with torch.inference_mode():
        expected = network(torch.from_numpy(preprocess(load_photo("cat"), GRAY))[None])
    np.testing.assert_allclose(logits, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_the_proof_is_run_on_images_that_are_prepared_as_the_preset_says(tmp_path: Path) -> None:
    loaded = load_weights("random", preset="toy", num_classes=3)
    path = tmp_path / "model.onnx"
    export_onnx(loaded, path, ExportOptions(image_size=GRAY.crop_pixels))
    photos, *_ = parity_inputs(OnnxModel.read(path), loaded.preprocessing, (1,))
    assert photos.images == ("cat",)
    assert np.array_equal(photos.pixel_values[0], preprocess(load_photo("cat"), GRAY))
    half = tmp_path / "half.onnx"
    export_onnx(loaded, half, ExportOptions(image_size=(96, 80)))
    photos, *_ = parity_inputs(OnnxModel.read(half), loaded.preprocessing, (1,))
    sized = replace(GRAY, crop_pixels=(96, 80), resize_pixels=88)
    assert np.array_equal(photos.pixel_values[0], preprocess(load_photo("cat"), sized))
