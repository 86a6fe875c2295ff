"""Engines built by TensorRT-RTX with the real plugin, on a machine with or without a GPU."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from dataclasses import replace

import msgspec
import onnx
import pytest

from tests.processes import HANG_S
from tests.runtimes.engine_header import TARGET_BITS, targets_of, version_of
from vmamba_deploy.errors import BuildError, EnvironmentProblem, InputFileError, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.cuda_driver import GpuSearch, find_gpus
from vmamba_deploy.runtimes.tensorrt.build import build_engine
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

PROFILE = ((1, 3, 6, 5), (8, 3, 6, 5), (32, 3, 6, 5))
NO_GPU = GpuSearch((), "no NVIDIA driver here")


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("batch", [(1,), (2,), (1, 3, 8)])
def test_every_scan_becomes_our_plugin(build, rtx, scan_model, tmp_path, precision, batch):
    model = scan_model(scans=3, precision=precision)
    built = build(model, tmp_path / "model.engine", batches=batch)
    assert built.plugin_layers == 3
    sizes = [shape[0] for shape in (built.profile.min, built.profile.opt, built.profile.max)]
    assert sizes == [batch[0], batch[len(batch) // 2], batch[-1]]
    assert built.version == rtx.version == version_of(tmp_path / "model.engine")


def test_the_image_size_can_be_a_range(build, scan_model, tmp_path):
    model = scan_model(size=("height", "width"))
    sizes = ((4, 4), (8, 6), (16, 16))
    assert build(model, tmp_path / "e", sizes=sizes).plugin_layers == 1


@pytest.mark.parametrize(
    ("fixed", "words"),
    [
        ({"batch": 2}, "fixed batch of 2, but the plan asks for 1"),
        ({"size": (6, 8)}, "fixed side of 8, but the plan asks for 5"),
    ],
)
def test_a_profile_that_does_not_fit_the_file(build, scan_model, tmp_path, fixed, words):
    with pytest.raises(UsageError, match=words):
        build(scan_model(**fixed), tmp_path / "e")


def test_a_scan_without_the_namespace_is_refused(build, scan_model, tmp_path):
    model = scan_model(scans=2, namespace=False)
    with pytest.raises(
        BuildError, match=r"2 nodes vmamba::SelectiveScan2D, but 0 .*plugin_namespace.*scan0"
    ):
        build(model, tmp_path / "e")
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("sm", [80, 86, 89, 120, 121])
def test_targets_reach_the_engine(build, scan_model, tmp_path, sm):
    built = build(scan_model(), tmp_path / "e", batches=(1,), target_sm=(divmod(sm, 10),))
    assert built.compute_capabilities == (f"{sm // 10}.{sm % 10}",)
    assert targets_of(tmp_path / "e") == TARGET_BITS[sm]


def test_a_target_that_rtx_does_not_have(build, scan_model, tmp_path):
    with pytest.raises(UsageError, match="--target-sm 90; it knows 75, 80, 86"):
        build(scan_model(), tmp_path / "e", target_sm=((8, 6), (9, 0)))


def test_the_plugin_can_travel_inside_the_engine(build, plugin, scan_model, tmp_path):
    model = scan_model()
    assert not build(model, tmp_path / "pure").plugin_embedded
    assert build(model, tmp_path / "embedded", embed_plugin=True).plugin_embedded
    pure, embedded = (tmp_path / name for name in ("pure", "embedded"))
    assert embedded.stat().st_size - pure.stat().st_size >= plugin.stat().st_size * 0.9
    assert plugin.read_bytes()[:4096] in embedded.read_bytes()


def test_stripping_weights_without_a_gpu_is_explained(build, scan_model, tmp_path, monkeypatch):
    monkeypatch.setattr("vmamba_deploy.runtimes.tensorrt.build.find_gpus", lambda: NO_GPU)
    with pytest.raises(UsageError, match="on a GPU only: no NVIDIA driver"):
        build(scan_model(), tmp_path / "e", strip_weights=True)


def test_too_little_workspace_is_a_build_error(build, scan_model, tmp_path):
    model = scan_model(scans=2, size=(60, 50))
    with pytest.raises(BuildError, match="cannot build"):
        build(
            model,
            tmp_path / "e",
            batches=(1, 8, 4096),
            sizes=((60, 50),) * 3,
            workspace_mib=1,
        )
    assert not (tmp_path / "e").exists()


def test_a_corrupted_file_never_reaches_the_parser(build, scan_model, tmp_path):
    model = scan_model()
    whole = model.read_bytes()
    for content in (b"", b"not an onnx file", whole[: len(whole) // 2]):
        model.write_bytes(content)
        with pytest.raises((InputFileError, BuildError)):
            build(model, tmp_path / "e")
    model.unlink()
    with pytest.raises(InputFileError, match="does not exist"):
        build(model, tmp_path / "e")


def test_parser_errors_name_the_node(build, scan_model, tmp_path):
    model = scan_model()
    proto = onnx.load(str(model))
    proto.opset_import.append(onnx.helper.make_opsetid("elsewhere", 1))
    scan = next(node for node in proto.graph.node if node.op_type == "Tanh")
    scan.op_type, scan.domain, scan.name = "Mystery", "elsewhere", "the_culprit"
    onnx.save(proto, str(model))
    with pytest.raises(BuildError, match="the_culprit"):
        build(model, tmp_path / "e")


@pytest.mark.parametrize(
    ("part", "change"),
    [("inputs", {"shape": ("batch", 3, "h", "w")}), ("outputs", {"name": "feature0"})],
)
def test_a_network_that_is_not_the_file_that_was_read(
    rtx, plugin, scan_model, tmp_path, part, change
):
    model = OnnxModel.read(scan_model())
    (tensor,) = getattr(model, part)
    other = replace(model, **{part: (msgspec.structs.replace(tensor, **change),)})
    with pytest.raises(BuildError, match=r"; parsed was pixel_values float32 \[-1, 3, 6, 5\]"):
        build_engine(
            EnginePlan("rtx"), other, tmp_path / "e", profile=PROFILE, plugin_library=plugin
        )


def test_a_missing_plugin_library_is_named(build, scan_model, tmp_path):
    with pytest.raises(EnvironmentProblem, match=r"libnone\.so does not exist"):
        build(scan_model(), tmp_path / "e", library=tmp_path / "libnone.so")


@pytest.mark.skipif(TENSORRT.installed, reason="the full TensorRT is installed here")
def test_a_flavour_that_is_not_installed_is_explained(scan_model, tmp_path):
    model = OnnxModel.read(scan_model())
    with pytest.raises(EnvironmentProblem, match="TensorRT is not installed"):
        build_engine(EnginePlan("tensorrt"), model, tmp_path / "e", profile=PROFILE)


def test_progress_comes_in_this_thread_and_ends_each_phase(build, scan_model, tmp_path):
    events: list[tuple[str, int, int]] = []
    build(scan_model(), tmp_path / "e", progress=lambda *event: events.append(event))
    last = {phase: (step, total) for phase, step, total in events}
    assert last["Building engine"][0] == last["Building engine"][1] > 0
    assert all(0 <= step <= total for _, step, total in events)


def test_a_cancelled_build_leaves_nothing_and_keeps_the_old_engine(build, scan_model, tmp_path):
    output = tmp_path / "out" / "model.engine"
    output.parent.mkdir()
    output.write_bytes(b"the older one")

    def interrupt(phase: str, step: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(scan_model(scans=3), output, progress=interrupt)
    assert [path.name for path in output.parent.iterdir()] == ["model.engine"]
    assert output.read_bytes() == b"the older one"


INTERRUPTED = """
import sys
from pathlib import Path
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.tensorrt.build import build_engine
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
model, plugin, engine = map(Path, sys.argv[1:])
try:
    build_engine(
        EnginePlan("rtx"),
        OnnxModel.read(model),
        engine,
        profile=((1, 3, 6, 5), (8, 3, 6, 5), (32, 3, 6, 5)),
        plugin_library=plugin,
        progress=lambda *event: print(*event, flush=True),
    )
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
        _, errors = process.communicate(timeout=HANG_S)
    assert process.returncode == 130, errors
    assert "FATAL" not in errors
    assert not output.parent.exists() or not list(output.parent.iterdir())


def test_tensorrt_is_quiet_on_the_console(build, scan_model, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG, logger="vmamba_deploy.tensorrt")
    build(scan_model(), tmp_path / "e")
    assert capfd.readouterr().out == ""
    assert any(record.name == "vmamba_deploy.tensorrt" for record in caplog.records)


@pytest.mark.gpu
def test_the_full_tensorrt_builds(plugin, scan_model, tmp_path):
    status = TENSORRT.can_build_here(find_gpus())
    if not status.available:
        pytest.skip(status.reason)
    plan = EnginePlan("tensorrt", timing_cache=tmp_path / "timing.cache", hardware_compatible=True)
    model = OnnxModel.read(scan_model(scans=2))
    built = build_engine(plan, model, tmp_path / "e", profile=PROFILE, plugin_library=plugin)
    assert built.plugin_layers == 2
    assert plan.timing_cache is not None
    assert plan.timing_cache.stat().st_size > 0
