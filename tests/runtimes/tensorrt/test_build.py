"""Engines built by TensorRT-RTX with the real plugin, on a machine with or without a GPU."""

from __future__ import annotations

import logging
import signal
import struct
import subprocess
import sys

import onnx
import pytest

from vmamba_deploy.errors import BuildError, EnvironmentProblem, InputFileError, UsageError
from vmamba_deploy.runtimes.tensorrt import (
    TENSORRT,
    EnginePlan,
    GpuSearch,
    build_engine,
    find_gpus,
)

NO_GPU = GpuSearch((), "no NVIDIA driver here")
# Where an engine's header notes its targets; found by comparing engines of TensorRT-RTX 1.7.1.
TARGETS_AT, ALL_TARGETS = 32, 0x3F
TARGET_BITS = {80: 0x02, 86: 0x04, 89: 0x08, 120: 0x10, 121: 0x20}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("batch", [(1,), (2,), (1, 3, 8)])
def test_every_scan_becomes_our_plugin(rtx, plugin, scan_model, tmp_path, precision, batch):
    model = scan_model(scans=3, precision=precision)
    built = build_engine(
        EnginePlan(model, rtx, batch=batch, plugin_library=plugin), tmp_path / "model.engine"
    )
    assert built.plugin_layers == 3
    assert built.batch == (batch[0], batch[len(batch) // 2], batch[-1])
    assert built.size_bytes == built.path.stat().st_size
    assert built.version == rtx.version


def test_the_image_size_can_be_a_range(rtx, plugin, scan_model, tmp_path):
    model = scan_model(size=("height", "width"))
    sizes = ((4, 4), (8, 6), (16, 16))
    plan = EnginePlan(model, rtx, image_sizes=sizes, plugin_library=plugin)
    assert build_engine(plan, tmp_path / "e").plugin_layers == 1
    with pytest.raises(UsageError, match="leaves the image size free"):
        build_engine(EnginePlan(model, rtx, plugin_library=plugin), tmp_path / "f")


def test_a_scan_without_the_namespace_is_refused(rtx, plugin, scan_model, tmp_path):
    model = scan_model(scans=2, namespace=False)
    with pytest.raises(BuildError, match=r"2 selective scans, but 0 .*plugin_namespace.*scan0"):
        build_engine(EnginePlan(model, rtx, plugin_library=plugin), tmp_path / "e")
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("sm", [80, 86, 89, 120, 121])
def test_targets_reach_the_engine(rtx, plugin, scan_model, tmp_path, sm):
    plan = EnginePlan(scan_model(), rtx, batch=(1,), plugin_library=plugin, target_sms=(sm,))
    built = build_engine(plan, tmp_path / "e")
    assert built.compute_capabilities == (f"{sm // 10}.{sm % 10}",)
    (targets,) = struct.unpack_from("<I", built.path.read_bytes(), TARGETS_AT)
    assert targets & ALL_TARGETS == TARGET_BITS[sm]


def test_a_target_that_rtx_does_not_have(rtx, plugin, scan_model, tmp_path):
    plan = EnginePlan(scan_model(), rtx, plugin_library=plugin, target_sms=(86, 90))
    with pytest.raises(UsageError, match="--target-sm 90; it knows 75, 80, 86"):
        build_engine(plan, tmp_path / "e")


def test_the_plugin_can_travel_inside_the_engine(rtx, plugin, scan_model, tmp_path):
    model = scan_model()
    pure = build_engine(EnginePlan(model, rtx, plugin_library=plugin), tmp_path / "pure")
    plan = EnginePlan(model, rtx, plugin_library=plugin, embed_plugin=True)
    with_plugin = build_engine(plan, tmp_path / "embedded")
    assert with_plugin.plugin_embedded
    assert with_plugin.size_bytes - pure.size_bytes >= plugin.stat().st_size * 0.9
    assert plugin.read_bytes()[:4096] in with_plugin.path.read_bytes()


def test_stripping_weights_without_a_gpu_is_explained(
    rtx, plugin, scan_model, tmp_path, monkeypatch
):
    monkeypatch.setattr("vmamba_deploy.runtimes.tensorrt.build.find_gpus", lambda: NO_GPU)
    plan = EnginePlan(scan_model(), rtx, plugin_library=plugin, strip_weights=True)
    with pytest.raises(UsageError, match="on a GPU only: no NVIDIA driver"):
        build_engine(plan, tmp_path / "e")


def test_too_little_workspace_is_a_build_error(rtx, plugin, scan_model, tmp_path):
    plan = EnginePlan(
        scan_model(scans=2),
        rtx,
        batch=(1, 8, 65536),
        plugin_library=plugin,
        workspace_bytes=1,
    )
    with pytest.raises(BuildError, match="cannot build"):
        build_engine(plan, tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_a_corrupted_file_never_reaches_the_parser(rtx, plugin, scan_model, tmp_path):
    model = scan_model()
    whole = model.read_bytes()
    for content in (b"", b"not an onnx file", whole[: len(whole) // 2]):
        model.write_bytes(content)
        with pytest.raises((InputFileError, BuildError)):
            build_engine(EnginePlan(model, rtx, plugin_library=plugin), tmp_path / "e")
    model.unlink()
    with pytest.raises(InputFileError, match="does not exist"):
        build_engine(EnginePlan(model, rtx, plugin_library=plugin), tmp_path / "e")


def test_parser_errors_name_the_node(rtx, plugin, scan_model, tmp_path):
    model = scan_model()
    proto = onnx.load(str(model))
    proto.opset_import.append(onnx.helper.make_opsetid("elsewhere", 1))
    scan = next(node for node in proto.graph.node if node.op_type == "Tanh")
    scan.op_type, scan.domain, scan.name = "Mystery", "elsewhere", "the_culprit"
    onnx.save(proto, str(model))
    with pytest.raises(BuildError, match="the_culprit"):
        build_engine(EnginePlan(model, rtx, plugin_library=plugin), tmp_path / "e")


def test_a_missing_plugin_library_is_named(rtx, scan_model, tmp_path):
    plan = EnginePlan(scan_model(), rtx, plugin_library=tmp_path / "libnone.so")
    with pytest.raises(EnvironmentProblem, match=r"libnone\.so does not exist"):
        build_engine(plan, tmp_path / "e")


@pytest.mark.skipif(TENSORRT.installed, reason="the full TensorRT is installed here")
def test_a_flavour_that_is_not_installed_is_explained(scan_model, tmp_path):
    with pytest.raises(EnvironmentProblem, match="TensorRT is not installed"):
        build_engine(EnginePlan(scan_model(), TENSORRT), tmp_path / "e")


def test_progress_comes_in_this_thread_and_ends_each_phase(rtx, plugin, scan_model, tmp_path):
    events: list[tuple[str, int, int]] = []
    plan = EnginePlan(scan_model(), rtx, plugin_library=plugin)
    build_engine(plan, tmp_path / "e", progress=lambda *event: events.append(event))
    last = {phase: (step, total) for phase, step, total in events}
    assert last["Building engine"][0] == last["Building engine"][1] > 0
    assert all(0 <= step <= total for _, step, total in events)


def test_a_cancelled_build_leaves_nothing_and_keeps_the_old_engine(
    rtx, plugin, scan_model, tmp_path
):
    output = tmp_path / "out" / "model.engine"
    output.parent.mkdir()
    output.write_bytes(b"the older one")

    def interrupt(phase: str, step: int, total: int) -> None:
        raise KeyboardInterrupt

    plan = EnginePlan(scan_model(scans=3), rtx, plugin_library=plugin)
    with pytest.raises(KeyboardInterrupt):
        build_engine(plan, output, progress=interrupt)
    assert [path.name for path in output.parent.iterdir()] == ["model.engine"]
    assert output.read_bytes() == b"the older one"


INTERRUPTED = """
import sys
from pathlib import Path
from vmamba_deploy.runtimes.tensorrt import TENSORRT_RTX, EnginePlan, build_engine
plan = EnginePlan(Path(sys.argv[1]), TENSORRT_RTX, plugin_library=Path(sys.argv[2]))
try:
    build_engine(plan, Path(sys.argv[3]), progress=lambda *event: print(*event, flush=True))
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_stops_tensorrt_in_good_order(rtx, plugin, scan_model, tmp_path):
    output = tmp_path / "out" / "e"
    command = [sys.executable, "-c", INTERRUPTED, scan_model(scans=60), plugin, output]
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "FATAL" not in errors
    assert not output.parent.exists() or not list(output.parent.iterdir())


def test_tensorrt_is_quiet_on_the_console(rtx, plugin, scan_model, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG, logger="vmamba_deploy.tensorrt")
    build_engine(EnginePlan(scan_model(), rtx, plugin_library=plugin), tmp_path / "e")
    assert capfd.readouterr().out == ""
    assert any(record.name == "vmamba_deploy.tensorrt" for record in caplog.records)


@pytest.mark.gpu
def test_the_full_tensorrt_builds(plugin, scan_model, tmp_path):
    status = TENSORRT.can_build_here(find_gpus())
    if not status.available:
        pytest.skip(status.reason)
    plan = EnginePlan(
        scan_model(scans=2),
        TENSORRT,
        plugin_library=plugin,
        timing_cache=tmp_path / "timing.cache",
        hardware_compatible=True,
    )
    assert build_engine(plan, tmp_path / "e").plugin_layers == 2
    assert plan.timing_cache is not None
    assert plan.timing_cache.stat().st_size > 0
