"""Engines for segmentation and detection, of free height and width, built without a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dense_golden import checkpoint
from tests.pipeline.conftest import HAS_RTX
from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.errors import UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.inference import load
from vmamba_deploy.pipeline import export as export_module
from vmamba_deploy.pipeline.engine import engine_profile, run_build
from vmamba_deploy.pipeline.export import run_export
from vmamba_deploy.pipeline.info import describe_path
from vmamba_deploy.pipeline.plan import ExportPlan
from vmamba_deploy.precisions import PrecisionName
from vmamba_deploy.quantization.proof import check_engine
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

SHAPES = ((64, 96), (160, 160), (320, 416))


@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("det_mask_s1", {"SelectiveScan2D": 4, "MultiLevelRoiAlign": 2}),
        ("det_cascade_v0", {"SelectiveScan2D": 4, "MultiLevelRoiAlign": 4}),
        ("seg_v0", {"SelectiveScan2D": 4}),
    ],
)
def test_every_node_of_ours_is_a_layer_of_its_plugin(
    dense_artifact: Callable[[str], Path], tmp_path: Path, name: str, layers: dict[str, int]
) -> None:
    source, plan = dense_artifact(name), EnginePlan(flavour="rtx", shapes=SHAPES)
    folder, manifest = run_build(source, tmp_path / "out", plan, lambda _event: None)
    engine = manifest.engine
    assert engine.built
    assert engine.plugin_layers == sum(layers.values())
    assert engine.layers_by_plugin == (layers if len(layers) > 1 else None)
    assert OnnxModel.read(folder / "model.onnx").nodes_by_op == layers
    assert engine.profile is not None
    assert (engine.profile.min, engine.profile.opt, engine.profile.max) == tuple(
        (1, 3, *size) for size in SHAPES
    )
    described = describe_path(folder)
    assert described["engine"]["plugin_layers"] == sum(layers.values())
    assert manifest.num_classes == len(manifest.labels or ())
    with load(folder, runtime="ort") as model:  # the rest of the folder is as it was
        assert model.task.name == manifest.task


def test_sides_of_a_detector_are_multiples_of_32(dense_artifact: Callable[[str], Path]) -> None:
    model = OnnxModel.read(dense_artifact("det_mask_s1") / "model.onnx")
    smallest, (_, _, height, width), largest = engine_profile(model, EnginePlan())
    assert {side % 32 for side in (*smallest[2:], *largest[2:])} == {0}
    # Upright pictures and those across fit alike.
    assert smallest[2] == smallest[3] <= min(height, width) / 2
    assert largest[2] == largest[3] == 2 * max(height, width)
    with pytest.raises(UsageError, match="detection takes sides from 32 on, in multiples of 32"):
        engine_profile(model, EnginePlan(shapes=((64, 96), (160, 160), (320, 400))))


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RTX, reason="TensorRT-RTX is not installed")
@pytest.mark.parametrize("precision", ["int8", "fp8"])
@pytest.mark.parametrize("name", ["seg_s2", "det_mask_s1"])
def test_every_layer_of_the_network_multiplies_eight_bits(
    dense_artifact: Callable[..., Path], name: str, precision: str
) -> None:
    """The layers, and none of the products that pool and resize maps."""
    folder = dense_artifact(name, precision)
    model, engine = OnnxModel.read(folder / "model.onnx"), read_manifest(folder).engine
    assert model.quantization is not None
    found = check_engine(model, model.quantization, engine)
    assert found.status == "passed", found.reason
    # Of four blocks in_proj, out_proj, fc1 and fc2; x_proj stays in fp16.
    assert len(engine.narrow_products or ()) == 16
    named = [name.split(".")[-1] for name in model.quantization.quantized]
    assert sorted(named) == sorted(4 * ["in_proj", "out_proj", "fc1", "fc2"])


@pytest.mark.parametrize("precision", ["fp8", "bf16"])
def test_a_detector_is_refused_before_the_work_where_nothing_could_be_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: PrecisionName
) -> None:
    monkeypatch.delattr(export_module, "export_onnx")  # the work begins with it
    with checkpoint("det_mask_s1") as weights:
        plan = ExportPlan(
            model=None,
            weights=str(weights),
            precision=precision,
            output=tmp_path / "out",
            image_size=(128, 160),
            build_engine=False,
        )
        with pytest.raises(UsageError, match=f"detection cannot be proven in {precision}") as told:
            run_export(plan, lambda _event: None)
    assert told.value.hint == "take fp32 or fp16 or int8; --no-parity writes the files unproven"
    assert not (tmp_path / "out").exists()
