"""The oldest ONNX Runtime that we name, and Debian's, run what the newest does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.old_versions import installed
from tests.ops.one_node import one_node_model
from vmamba_deploy.inference import load
from vmamba_deploy.ops.multi_level_roi_align.specification import MULTI_LEVEL_ROI_ALIGN
from vmamba_deploy.ops.op import Op
from vmamba_deploy.ops.selective_scan.specification import SELECTIVE_SCAN, ScanDims
from vmamba_deploy.ops.selective_scan_2d.specification import SELECTIVE_SCAN_2D
from vmamba_deploy.testing import (
    RoiAlignDims,
    check_accuracy,
    random_case,
    random_roi_align_case,
)

ROOT = Path(__file__).parents[2]
F32, F16, BF16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
WIDE = [(F32, F32), (F16, F32), (BF16, F32)]  # what our networks hold; all that 1.18 takes
FLOOR = "1.18"
GENERAL = ScanDims(2, 1, 11, 13, 2, 3, (0, 2), x_per_route=True)


def with_casts(op: Op, in_dtype: int, out_dtype: int, **how: Any) -> onnx.ModelProto:
    """The op between casts: NumPy has no bfloat16, nor had older bindings."""
    model = one_node_model(op, in_dtype, out_dtype, **how)
    (node,) = model.graph.node
    for position, operand in enumerate(op.inputs):
        if operand.dtype == "T":
            cast = helper.make_node("Cast", [operand.name], [f"{operand.name}_"], to=in_dtype)
            model.graph.node.insert(0, cast)
            node.input[position] = f"{operand.name}_"
    node.output[0] = "y_"
    model.graph.node.append(helper.make_node("Cast", ["y_"], ["y"], to=F32))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = F32
    return model


@pytest.mark.parametrize(
    ("version", "needs", "dtypes"),
    [
        (FLOOR, ["numpy==1.26.*"], WIDE),
        ("1.21", [], [*WIDE, (F16, F16), (BF16, BF16)]),
    ],
)
def test_an_older_release_runs_op_and_network(
    ort_library, digits_artifact, tmp_path, version, needs, dtypes
):
    folder = installed(f"onnxruntime=={version}.*", *needs)
    cases = {}
    for seed, (in_dtype, out_dtype) in enumerate(dtypes):
        scan = random_case(ScanDims(2, 5, 7, 13, 1, 3), in_dtype, seed)
        general = random_case(GENERAL, in_dtype, seed)
        boxes = random_roi_align_case(RoiAlignDims(2, 5, 9, 96, 130, 7), in_dtype, seed)
        for case, model in (
            (scan, with_casts(SELECTIVE_SCAN_2D, in_dtype, out_dtype)),
            (general, with_casts(SELECTIVE_SCAN, in_dtype, out_dtype, form=1, routes=[0, 2])),
            (boxes, with_casts(MULTI_LEVEL_ROI_ALIGN, in_dtype, out_dtype, output_size=7)),
        ):
            name = f"{model.graph.node[-2].op_type}_{in_dtype}_{out_dtype}"
            cases[name] = case, out_dtype
            onnx.save(model, tmp_path / f"{name}.onnx")
            arrays = {key: np.asarray(value, np.float32) for key, value in case.by_name.items()}
            np.savez(tmp_path / f"{name}.npz", **arrays)
    images = np.random.default_rng().random((2, 3, 32, 32), np.float32)
    np.save(tmp_path / "images.npy", images)

    artefact = digits_artifact(engine=False)
    script = [sys.executable, str(Path(__file__).with_name("run_in_old.py"))]
    done = subprocess.run(
        [*script, str(ort_library), str(tmp_path), str(artefact)],
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{version}.")

    for name, (case, out_dtype) in cases.items():
        check_accuracy(np.load(tmp_path / f"{name}.npz")["y"], case.expected, out_dtype)
    with load(artefact, runtime="ort") as model:
        np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), model(images), atol=1e-4)


def test_one_floor_is_stated_everywhere():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert f"onnxruntime>={FLOOR}" in extras["inference"]
    source = (ROOT / "plugins/onnxruntime/register.cpp").read_text()
    assert f"kOrtApiVersion = {FLOOR.partition('.')[2]};" in source
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "plugins/README.md"]
    stated = {
        floor
        for page in pages
        for floor in re.findall(r"ONNX Runtime (1\.\d+) (?:or|and) newer", page.read_text())
    }
    assert stated == {FLOOR}
