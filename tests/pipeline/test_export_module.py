"""`vmamba_deploy.export`: a module at hand, its inputs, and what they mean."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import vmamba_deploy
from tests.adapting.conftest import fresh
from tests.pipeline.conftest import HAS_RTX
from vmamba_deploy.adapting import op_scan
from vmamba_deploy.adapting.stand_ins import selective_scan_interface
from vmamba_deploy.errors import ParityError, UsageError
from vmamba_deploy.inference import load
from vmamba_deploy.ops.op import FLOAT32
from vmamba_deploy.runtimes.onnxruntime import create_session
from vmamba_deploy.runtimes.onnxruntime_cuda import BoundSession
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan


class Tokens(nn.Module):
    """Token ids and a step of a diffusion to two maps, our op called by itself."""

    def __init__(self, ids: int = 50, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(ids, width)
        self.proj = nn.Linear(width, 4 * 3)
        self.dt_weight = nn.Parameter(torch.randn(4, 1, width))
        self.dt_bias = nn.Parameter(torch.randn(4, width))
        self.rate = nn.Parameter(torch.rand(4, 1, width))
        self.skip = nn.Parameter(torch.ones(4, width))

    def forward(self, ids: Tensor, step: Tensor, scale: float = 0.5) -> tuple[Tensor, Tensor]:
        x = self.embedding(ids)[:, None] + (step.float() * scale)[:, None, None, None]
        weights = (self.dt_weight, self.dt_bias, -self.rate, self.skip)
        y = torch.ops.vmamba.selective_scan_2d(x, self.proj(x), *weights, FLOAT32)
        return y[:, 0], y.mean(dim=(1, 2))


def tokens(batch: int, length: int, ids: int = 50) -> tuple[Tensor, Tensor]:
    return torch.randint(0, ids, (batch, length)), torch.arange(batch, dtype=torch.int32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Ids up to 49, of which a random integer beyond would be no row of the embedding."""
    ids, step = tokens(1, 24)
    ids[0, :2] = torch.tensor([0, 49])
    return vmamba_deploy.export(
        Tokens(),
        (ids, step),
        tmp_path_factory.mktemp("tokens") / "out",
        dynamic={"ids": {0: "batch", 1: "length"}, "step": (0,)},
        outputs=("tokens", "mean"),
        engine=EnginePlan(flavour="rtx", batches=(1, 2)) if HAS_RTX else False,
    )


def test_integers_are_drawn_from_where_the_examples_lie(exported: Any) -> None:
    manifest = exported.manifest
    assert manifest.status == "complete"
    assert manifest.interface.values == {"ids": (0.0, 49.0), "step": (0.0, 0.0)}
    assert manifest.weights.source == "in memory"
    sets = [one.name for one in exported.parity[0].inputs]
    assert sets == ["given", "random-b1", "random-b2", "random-b1-length8", "noise-b1"]
    assert [one.shape for one in manifest.onnx.inputs] == [("batch", "length"), ("batch",)]


def test_other_lengths_and_batches_are_those_of_the_network(exported: Any) -> None:
    ids, step = tokens(5, 7)
    with load(exported.folder, runtime="ort") as model, torch.inference_mode():
        got = model(ids=ids.numpy(), step=step.numpy())
        wanted = Tokens()(ids, step)
    for name, one in zip(("tokens", "mean"), wanted, strict=True):
        np.testing.assert_allclose(got[name], one.numpy(), rtol=1e-5, atol=1e-5)


def test_buffers_on_a_device_have_the_sizes_that_the_inputs_say(exported: Any) -> None:
    session = BoundSession(create_session(exported.folder / "model.onnx"), "cpu")
    for batch, length in ((2, 9), (1, 9), (2, 9)):
        ids, step = tokens(batch, length)
        got = session(ids.numpy(), step=step.numpy())
        with torch.inference_mode():
            wanted = Tokens()(ids, step)
        np.testing.assert_allclose(got["tokens"], wanted[0].numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
def test_an_engine_of_two_axes_has_a_profile_of_two(exported: Any) -> None:
    engine = exported.manifest.engine
    assert engine.built
    assert (engine.profile.min, engine.profile.opt, engine.profile.max) == (
        (1, 8),
        (2, 24),
        (2, 48),
    )


def test_the_result_says_what_it_is(exported: Any) -> None:
    assert exported.status == "complete"
    assert exported.exit_code == 0
    assert all(path.is_file() for path in exported.files.values())
    assert {"model.onnx", "report.html"} <= set(exported.files)
    assert repr(exported).startswith(f"ExportOutcome(complete in {exported.folder}: agrees with ")
    manifest = "Manifest(custom fp32, custom, complete: "
    assert repr(exported.manifest).startswith(manifest)
    assert "model.onnx" in repr(exported.manifest)


def test_weights_are_exported_with_the_options_of_the_command_line(tmp_path: Path) -> None:
    told: list[Any] = []
    outcome = vmamba_deploy.export(
        weights=Path("samples/train_digits/digits.safetensors"),
        output=tmp_path / "out",
        image_size=32,
        labels=[f"digit {number}" for number in range(10)],
        engine=False,
        parity=False,
        batches=[1, 2],
        on_event=told.append,
    )
    assert outcome.status == "unproven"
    assert outcome.manifest.labels is not None
    assert outcome.manifest.labels[3] == "digit 3"
    assert outcome.manifest.onnx.inputs[0].shape == ("batch", 3, 32, 32)
    assert told
    with load(outcome.folder, runtime="ort") as model:
        said = "Classifier custom fp32, onnxruntime: pixel_values ['batch', 3, 32, 32]"
        assert repr(model) == f"<{said}>"
    assert repr(model) == f"<{said.replace('onnxruntime', 'closed')}>"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "random weights need a preset"),
        ({"model": Path("x.pth")}, "the model is .*Path, expected the name of a preset"),
        ({"model": "t", "example_inputs": torch.ones(1)}, "example inputs are of a module"),
        ({"model": "t", "dynamic": {}}, "dynamic is of a module"),
        ({"model": "t", "outputs": {"logits": "logits"}}, "the outputs of a preset have"),
        ({"model": "t", "calibration": [torch.ones(1)]}, "calibration samples are of a module"),
        ({"model": "t", "image_sizes": 32}, "no option 'image_sizes'; did you mean image_size"),
        ({"model": Tokens()}, "the inputs of Tokens are not known"),
        ({"model": Tokens(), "example_inputs": tokens(1, 4), "aoti": True}, "--aoti is of the"),
    ],
    ids=str,
)
def test_options_of_the_other_kind_of_network_are_refused(
    given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        vmamba_deploy.export(**given, output=tmp_path / "out")


def test_photographs_are_compared_where_the_preprocessing_is_known(tmp_path: Path) -> None:
    one = fresh("mamba_ir")
    outcome = vmamba_deploy.export(
        one.network,
        one.example,
        tmp_path / "out",
        outputs={"upscaled": "image"},
        precision="fp16",
        mean=(0.0,),
        std=(1.0,),
        engine=False,
    )
    inputs = outcome.parity[0].inputs
    assert [each.name for each in inputs] == ["given", "photos-b1", "photos-b8", "noise-b1"]
    kinds = {output.name: output.kind for output in outcome.parity[0].outputs}
    assert kinds == {"upscaled": "image"}
    report = json.loads((outcome.folder / "report.json").read_text())
    assert report["runs"][0]["outputs"][0]["metrics"]["psnr"] > 40
    channels = one.example.shape[1]
    with load(outcome.folder, runtime="ort") as model:
        pixels = model.preprocess([np.zeros((50, 60, channels), np.uint8)])
        assert pixels.shape == (1, *one.example.shape[1:])
        assert set(model(pixels)) == {"upscaled"}


def test_a_runtime_that_disagrees_raises(tmp_path: Path) -> None:
    one = fresh("mamba_vision")

    def doubled(call: Any) -> Tensor:
        return op_scan.scan_by_op(replace(call, u=2 * call.u))

    with (
        patch.object(selective_scan_interface, "scan_by_op", doubled),
        pytest.raises(ParityError, match="parity failed: pytorch") as told,
    ):
        vmamba_deploy.export(one.network, one.example, tmp_path / "out", engine=False)
    assert told.value.hint is not None
    assert (tmp_path / "out.failed" / "report.html").is_file()
    assert not (tmp_path / "out").exists()


def test_a_runtime_that_must_run_and_does_not_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match="AOTInductor is required and did not run") as told:
        vmamba_deploy.export(
            Tokens(),
            tokens(1, 4),
            tmp_path / "out",
            engine=False,
            require=("aotinductor", "onnxruntime-body"),
        )
    assert "ONNX Runtime is required" not in told.value.message
    failed = tmp_path / "out.failed"
    assert not (tmp_path / "out").exists()
    manifest = json.loads((failed / "manifest.json").read_text())
    report = json.loads((failed / "report.json").read_text())
    assert manifest["status"] == report["verdict"] == "failed"
    for said in (manifest["status_reason"], report["statement"]):
        assert "AOTInductor is required and did not run: there is no file for it" in said
    assert report["required"] == ["aotinductor", "onnxruntime-body"]
    assert report["statement"] in (failed / "report.html").read_text()


@pytest.mark.parametrize(
    ("examples", "options", "words"),
    [
        ((torch.ones(1), torch.ones(1), torch.ones(1), torch.ones(1)), {}, "4 example inputs"),
        ({"ids": [1, 2]}, {}, "the example of ids is list, expected a tensor"),
        ((torch.ones(1, 4, dtype=torch.float16),), {}, "is torch.float16, expected float32"),
        ({"idz": torch.ones(1, 4, dtype=torch.int64)}, {}, "takes no idz"),
        ((torch.ones(1, 4, dtype=torch.int64),), {}, "needs step, and nothing says what it is"),
        (tokens(1, 4), {"dynamic": {"ids": (2,)}}, "ids has no axis 2"),
        (tokens(1, 4), {"outputs": ("a",)}, "names 1 outputs, forward.. gives 2"),
        (tokens(1, 4), {"outputs": {"a": "map", "b": "boxes"}}, "no kind of output 'boxes'"),
        (tokens(1, 4), {"precision": "int4"}, "precision must be"),
    ],
)
def test_what_makes_no_sense_is_refused(
    examples: Any, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        vmamba_deploy.export(Tokens(), examples, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_labels_are_of_the_output_of_logits(tmp_path: Path) -> None:
    def export(outputs: Any, labels: Any) -> Any:
        return vmamba_deploy.export(
            Tokens(),
            tokens(1, 24),
            tmp_path / "out",
            outputs=outputs,
            labels=labels,
            engine=False,
            parity=False,
        )

    with pytest.raises(UsageError, match="no output tells classes apart") as caught:
        export({"tokens": "map", "mean": "map"}, ["a"])
    assert "--outputs NAME:logits" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="1 labels were given for 8 classes"):
        export({"tokens": "map", "mean": "logits"}, ["a"])
    done = export({"tokens": "map", "mean": "logits"}, list("abcdefgh"))
    assert done.manifest.labels == tuple("abcdefgh")
