"""libvmamba_torch.so on a GPU: the operator as a process without our Python code has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vmamba_deploy import native

pytestmark = pytest.mark.gpu
# Run by a process that imports nothing of ours, so that the operator is the library's own.
PROGRAM = """
import sys, torch
torch.ops.load_library(sys.argv[1])
calls = torch.load(sys.argv[2])
ops = torch.ops.vmamba
answers = []
for inputs, routes, code in calls:
    def scan(*tensors):
        if routes is None:
            return ops.selective_scan_2d(*tensors, code)
        return ops.selective_scan(*tensors, routes, code)
    inputs = [tensor.cuda() for tensor in inputs]
    y = scan(*inputs)
    torch.cuda.synchronize()
    # On a stream of its own, behind a copy that has not ended.
    stream, moved = torch.cuda.Stream(), [torch.empty_like(tensor) for tensor in inputs]
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(20_000_000)
        for new, old in zip(moved, inputs):
            new.copy_(old)
        streamed = scan(*moved)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = scan(*moved)
    captured.fill_(float("nan"))
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(streamed, y), "a call did not wait for its stream"
    assert torch.equal(captured, y), "the replay of a graph differs"
    answers.append(y.cpu())
try:
    scan(*[t.cuda() for t in inputs[:5]], calls[-1][0][5])
    raise AssertionError("an input on the CPU was taken")
except (ValueError, RuntimeError) as refusal:
    assert "cpu" in str(refusal).lower() or "device" in str(refusal).lower(), refusal
torch.save(answers, sys.argv[3])
assert not any(name.startswith("vmamba_deploy") for name in sys.modules)
"""


@pytest.fixture
def library() -> Path:
    available, reason = native.available("vmamba_torch")
    if not available:
        pytest.skip(reason)
    if not torch.cuda.is_available():
        pytest.skip(f"PyTorch {torch.__version__} does not see a GPU")
    return native.library_path("vmamba_torch")


def test_the_operator_in_a_process_of_its_own(library: Path, tmp_path: Path) -> None:
    from gpu_accuracy import expected_result
    from gpu_cases import DTYPES

    from vmamba_deploy.ops.selective_scan.specification import ScanDims
    from vmamba_deploy.ops.torch_registration import ONNX_CODES
    from vmamba_deploy.testing import errors_of, every_form, nmse_limit, random_tensors

    sizes = (
        ScanDims(2, 14, 14, 96, 1, 6),
        ScanDims(1, 56, 56, 48, 1, 3),
        ScanDims(1, 9, 7, 33, 5, 4),
    )
    forms = every_form(ScanDims(2, 5, 9, 33, 8, 3))
    cases = [
        (random_tensors(dims, dtype, "cpu", seed=dims.length), None, out)
        for dims in sizes
        for dtype, out in DTYPES
    ]
    for place, dims in enumerate(forms):
        dtype, out = DTYPES[place % len(DTYPES)]
        cases.append((random_tensors(dims, dtype, "cpu", seed=place), list(dims.routes), out))
    calls, answers = tmp_path / "calls.pt", tmp_path / "answers.pt"
    torch.save(
        [(list(inputs.scan), routes, ONNX_CODES[out]) for inputs, routes, out in cases], calls
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(library), str(calls), str(answers)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": ""},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for (inputs, _, out), y in zip(cases, torch.load(answers), strict=True):
        expected = expected_result(inputs)
        assert y.dtype == out
        assert errors_of(y, expected).nmse <= nmse_limit(expected, ONNX_CODES[out])
