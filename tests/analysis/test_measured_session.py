import os
import signal
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.processes import HANG_S
from vmamba_deploy.analysis import measured_session as module
from vmamba_deploy.analysis.measured_session import measured_session, peak_bytes
from vmamba_deploy.errors import InputFileError, ResourceError


@pytest.fixture
def tiled(tmp_path):
    """A file whose network repeats its input 4096 times, and sums the copies."""
    nodes = [
        helper.make_node("Tile", ["pixel_values", "times"], ["copies"]),
        helper.make_node("ReduceSum", ["copies", "axes"], ["sum"], keepdims=0),
    ]
    constants = [
        helper.make_tensor("times", TensorProto.INT64, [2], [4096, 1]),
        helper.make_tensor("axes", TensorProto.INT64, [1], [0]),
    ]
    taken = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, "n"])
    given = helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(nodes, "tiled", [taken], [given], constants)
    path = tmp_path / "tiled.onnx"
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), str(path))
    return path


def test_calls_are_answered_and_the_memory_is_that_of_the_process(tiled):
    small, large = (np.random.default_rng().random((1, n), dtype=np.float32) for n in (1, 20_000))
    with measured_session(tiled, threads=1) as session:
        for _ in range(2):
            call = session(small)
            np.testing.assert_allclose(call.output, 4096 * small[0], rtol=1e-4)
            assert call.ms > 0
            assert call.cpu_ms >= 0
        before = session.memory()
        session(large)
        after = session.memory()
    assert before.empty_bytes == after.empty_bytes
    # 4096 x 20,000 float32 numbers are 312 MiB, in that process and not in this one.
    assert after.peak_bytes - before.peak_bytes > 300 << 20
    assert after.empty_bytes < peak_bytes()


def test_a_file_that_is_none_is_told_as_here(tmp_path):
    (tmp_path / "rubbish.onnx").write_bytes(b"no model")
    with (
        measured_session(tmp_path / "rubbish.onnx") as session,
        pytest.raises(InputFileError, match=r"load .*rubbish\.onnx"),
    ):
        session(np.zeros((1, 1), np.float32))


def test_a_call_that_fails_is_told_and_the_next_is_answered(tiled):
    with measured_session(tiled) as session:
        with pytest.raises(ResourceError, match=r"run tiled\.onnx"):
            session(np.zeros((2, 2, 2), np.float32))
        assert session(np.ones((1, 3), np.float32)).output.shape == (3,)


def test_a_process_that_was_killed_is_told(tiled, monkeypatch):
    started = []
    spawn = module.multiprocessing.get_context("spawn")

    class Context:
        Pipe = staticmethod(spawn.Pipe)

        @staticmethod
        def Process(**arguments):  # noqa: N802 - as multiprocessing calls it
            started.append(spawn.Process(**arguments))
            return started[-1]

    monkeypatch.setattr(module.multiprocessing, "get_context", lambda _kind: Context)
    with measured_session(tiled) as session:
        session(np.ones((1, 3), np.float32))
        os.kill(started[0].pid, signal.SIGKILL)
        with pytest.raises(ResourceError, match="not be enough memory"):
            session(np.ones((1, 3), np.float32))
    assert not started[0].is_alive()


def test_the_peak_is_of_this_process_alone():
    code = (
        "from vmamba_deploy.analysis.measured_session import peak_bytes; a = peak_bytes();"
        "b = bytearray(100 << 20); print(peak_bytes() - a)"
    )
    grown = int(subprocess.check_output([sys.executable, "-c", code], text=True))
    assert 95 << 20 < grown < 110 << 20


def test_who_stops_asking_ends_a_call_in_the_middle(tmp_path):
    """The process neither goes on for the call's minutes nor tells a traceback."""
    loop = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("Add", ["sum", "sum"], ["more"]),
        ],
        "loop",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1, 1]),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, [1, 1]),
        ],
    )
    nodes = [helper.make_node("Loop", ["turns", "", "pixel_values"], ["end"], body=loop)]
    turns = [helper.make_tensor("turns", TensorProto.INT64, [], [10**12])]
    taken, given = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1])
        for name in ("pixel_values", "end")
    )
    graph = helper.make_graph(nodes, "endless", [taken], [given], turns)
    path = tmp_path / "endless.onnx"
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), str(path))
    code = (
        "import numpy as np, os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from vmamba_deploy.analysis.measured_session import measured_session\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    model = Path(sys.argv[1])\n"
        "    with measured_session(model) as idle, measured_session(model) as session:\n"
        "        idle.memory(), session.memory()\n"
        "        threading.Timer(0.3, os.killpg, (0, signal.SIGINT)).start()\n"
        "        session(np.ones((1, 1), np.float32))\n"
    )
    script = tmp_path / "asks.py"
    script.write_text(code)
    ended = subprocess.run(
        [sys.executable, script, path],
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=HANG_S,
    )
    assert ended.returncode != 0
    assert ended.stderr.count("Traceback") == 1
    assert "KeyboardInterrupt" in ended.stderr
    assert "SpawnProcess" not in ended.stderr
