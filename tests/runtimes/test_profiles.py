from __future__ import annotations

import json

import pytest

from vmamba_deploy.errors import BuildError
from vmamba_deploy.runtimes.onnxruntime_profile import profiled_nodes
from vmamba_deploy.runtimes.profiles import KindTime, NodeTime, NodeTimes, Span, profile_of


def test_the_time_of_a_node_is_without_those_inside_of_it():
    times = NodeTimes()
    inner = [Span("add", "Add", 1, 3), Span("mul", "Mul", 3, 4), Span("add", "Add", 5, 7)]
    times.add_spans([*inner, Span("loop", "Scan", 0, 8), Span("gemm", "Gemm", 8, 10)])
    found = {node.name: node.ms for node in times.per_call(1)}
    assert found == {"loop": 3.0, "add": 4.0, "mul": 1.0, "gemm": 2.0}


def test_three_levels_and_an_end_that_was_rounded_beyond_the_outers():
    times = NodeTimes()
    times.add_spans([Span("a", "", 0, 10), Span("b", "", 2, 9), Span("c", "", 3, 9.5)])
    found = {node.name: node.ms for node in times.per_call(1)}
    assert found == {"a": 3.0, "b": 0.5, "c": 6.5}


def test_a_profile_sums_kinds_and_lists_the_slowest_first():
    nodes = [NodeTime(f"n{i}", "MatMul" if i % 2 else "Add", float(i)) for i in range(30)]
    profile = profile_of("toy", 4, 3, nodes)
    assert profile.total_ms == 435.0
    assert profile.kinds == (KindTime("MatMul", 15, 225.0), KindTime("Add", 15, 210.0))
    assert [node.name for node in profile.slowest] == [f"n{i}" for i in range(29, 9, -1)]
    assert profile.share(87.0) == 0.2


class Session:
    """Writes a profile as ONNX Runtime does: a line for each event, the nodes before their call."""

    def __init__(self, path, calls):
        self.path, self.calls = path, calls

    def get_inputs(self):
        return [self]

    name = "pixel_values"

    def run(self, outputs, feed):
        pass

    def end_profiling(self):
        events = [{"cat": "Session", "name": "model_loading", "ts": 1, "dur": 5, "args": {}}]
        for call in range(self.calls):
            start = 1000 * call
            for name, op, at, dur in (("x", "Add", 10, 100), ("s", "Scan", 0, 500)):
                node = {"name": f"{name}_kernel_time", "ts": start + at, "dur": dur}
                events.append(node | {"cat": "Node", "args": {"op_name": op, "provider": "CPU"}})
            events.append({"cat": "Session", "name": "model_run", "ts": start, "dur": 600})
        self.path.write_text("[\n" + ",\n".join(map(json.dumps, events)) + "\n]\n")
        return str(self.path)


def test_the_first_call_is_not_counted_and_a_lost_end_neither():
    def create(path):
        return Session(path, calls=3)  # of four: the last did not fit

    nodes = profiled_nodes(create, None, {}, calls=3)
    assert [(node.name, node.kind) for node in nodes] == [("s", "Scan"), ("x", "Add")]
    assert [node.ms for node in nodes] == pytest.approx([0.4, 0.1])


def test_a_network_of_more_nodes_than_a_profile_holds():
    with pytest.raises(BuildError, match="no whole call"):
        profiled_nodes(lambda path: Session(path, calls=1), None, {}, calls=3)
