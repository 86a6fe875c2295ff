import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

from tests.processes import HANG_S
from tests.runtimes.tensorrt import host_device as host
from vmamba_deploy.errors import BuildError, ClosedError, IntegrityError, UsageError
from vmamba_deploy.runtimes.profiles import NodeTime
from vmamba_deploy.runtimes.tensorrt.lane import EngineLane, LoadedEngine
from vmamba_deploy.runtimes.tensorrt.run import profiled_layers


@pytest.fixture
def engine():
    return LoadedEngine(host.TensorRT, None, host.Engine(), host.HostDevice())


def images(batch):
    return np.random.default_rng().standard_normal((batch, 3, 4, 5), dtype=np.float32)


def expected(pixels):
    flat = pixels.reshape(len(pixels), -1)
    return np.stack([flat.sum(1), flat.max(1)], axis=1)


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_any_order_of_shapes_gives_each_its_own_result(engine, cuda_graphs):
    lane = EngineLane(engine, cuda_graphs=cuda_graphs)
    for batch in (6, 1, 1, 1, 1, 3, 1, 3, 3, 3, 6, 6, 6, 2, 2):
        pixels = images(batch)
        np.testing.assert_allclose(lane(pixels)["logits"], expected(pixels), rtol=1e-5, atol=1e-5)
    assert len(engine.device.memory) == 4  # two on the host, two on the device, made once
    assert bool(engine.device.graphs) == cuda_graphs


def test_the_second_call_of_a_shape_is_captured_and_the_next_ones_replay_it(engine):
    lane = EngineLane(engine, cuda_graphs=True)
    for _ in range(5):
        lane(images(2))
    assert [graph.launches for graph in engine.device.graphs] == [4]
    lane(images(3))
    assert engine.device.graphs[0].work is None  # another shape ends it
    lane(images(2))
    assert len(engine.device.graphs) == 1
    lane(images(2))
    assert [graph.launches for graph in engine.device.graphs] == [4, 1]


def test_the_largest_shape_is_not_captured_for_having_sized_the_buffers(engine):
    lane = EngineLane(engine, cuda_graphs=True)
    lane(images(6))
    assert engine.device.graphs == []


def test_results_do_not_lie_in_the_buffers(engine):
    lane = EngineLane(engine)
    first = images(2)
    kept = lane(first)["logits"]
    lane(images(2))
    lane.close()
    np.testing.assert_allclose(kept, expected(first), rtol=1e-5, atol=1e-5)


def test_two_lanes_share_an_engine_and_no_buffer(engine):
    one, two = EngineLane(engine), EngineLane(engine)
    assert len({memory.address for memory in engine.device.memory}) == 8
    first, second = images(2), images(5)
    np.testing.assert_allclose(one(first)["logits"], expected(first), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(two(second)["logits"], expected(second), rtol=1e-5, atol=1e-5)


def test_a_shape_outside_the_profile_says_what_fits_and_harms_nothing(engine):
    lane = EngineLane(engine, cuda_graphs=True)
    for bad in (images(7), images(2)[:, :, :3], images(2)[0]):
        with pytest.raises(UsageError, match=r"from \(1, 3, 4, 5\) to \(6, 3, 4, 5\), got"):
            lane(bad)
        pixels = images(2)
        np.testing.assert_allclose(lane(pixels)["logits"], expected(pixels), rtol=1e-5, atol=1e-5)


def test_a_failed_execution_is_an_error(engine):
    lane = EngineLane(engine)
    engine._engine.broken = True
    with pytest.raises(BuildError, match="could not execute"):
        lane(images(1))


def test_closing_frees_everything_once(engine):
    lane = EngineLane(engine, cuda_graphs=True)
    for _ in range(3):
        lane(images(2))
    lane.close()
    lane.close()
    assert all(memory.closed for memory in engine.device.memory)
    assert engine.device.graphs[0].work is None
    with pytest.raises(ClosedError, match="closed"):
        lane(images(1))


def test_closing_waits_for_the_call_under_way(engine):
    lane, device = EngineLane(engine), engine.device
    running, may_end, wait = threading.Event(), threading.Event(), device.wait

    def slow(stream):
        running.set()
        assert may_end.wait(HANG_S)
        wait(stream)

    device.wait = slow
    pixels = images(2)
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(lane, pixels)
        assert running.wait(HANG_S)
        closing = pool.submit(lane.close)
        with pytest.raises(TimeoutError):
            closing.result(0.05)
        may_end.set()
        closing.result(HANG_S)
    np.testing.assert_allclose(call.result()["logits"], expected(pixels), rtol=1e-5, atol=1e-5)
    engine.close()
    engine.close()


def test_tensorrt_rtx_captures_graphs_itself(engine):
    engine.trt = SimpleNamespace(
        nptype=lambda dtype: dtype, CudaGraphStrategy=SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole")
    )
    config = SimpleNamespace(cuda_graph_strategy=None)
    engine._engine.create_runtime_config = lambda: config
    lane = EngineLane(engine, cuda_graphs=True)
    assert config.cuda_graph_strategy == "whole"
    assert engine._engine.configs == (config,)
    for _ in range(3):
        lane(images(2))
    assert engine.device.graphs == []


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_each_output_has_buffers_of_its_own(cuda_graphs):
    names = ("halves", "pixel_values", "logits")
    engine = LoadedEngine(host.TensorRT, None, host.Engine(names), host.HostDevice())
    lane = EngineLane(engine, cuda_graphs=cuda_graphs)
    assert len(engine.device.memory) == 6
    for batch in (6, 1, 1, 1, 3, 3, 3, 1):
        pixels = images(batch)
        got = lane(pixels)
        assert list(got) == ["halves", "logits"]
        np.testing.assert_allclose(got["logits"], expected(pixels), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(got["halves"], pixels[..., :2] / 2)


@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_each_input_has_buffers_of_its_own(cuda_graphs):
    names = ("sizes", "pixel_values", "logits", "areas")
    engine = LoadedEngine(host.TensorRT, None, host.Engine(names), host.HostDevice())
    assert engine.input_names == ("pixel_values", "sizes")
    lane = EngineLane(engine, cuda_graphs=cuda_graphs)
    assert len(engine.device.memory) == 8
    for batch in (6, 1, 1, 1, 3, 3, 3, 1):
        pixels, sizes = images(batch), np.random.default_rng().integers(1, 900, (batch, 2))
        got = lane(pixels, sizes=sizes)
        np.testing.assert_allclose(got["logits"], expected(pixels), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(got["areas"], sizes.prod(axis=1))
        assert [got[name].dtype for name in ("logits", "areas")] == [np.float32, np.int32]
    assert bool(engine.device.graphs) == cuda_graphs
    with pytest.raises(UsageError, match=r"of sizes from \(1, 2\) to \(6, 2\), got \(1, 3\)"):
        lane(images(1), sizes=np.ones((1, 3), np.int64))
    with pytest.raises(UsageError, match="beside pixel_values the model takes sizes, got nothing"):
        lane(images(1))


@pytest.mark.parametrize("names", [("logits", "more"), ("pixel_values",)])
def test_an_engine_of_other_tensors_is_refused(names):
    with pytest.raises(IntegrityError, match="expected inputs and outputs"):
        LoadedEngine(host.TensorRT, None, host.Engine(names), host.HostDevice())


def test_a_profile_is_of_the_layers_of_single_calls(engine):
    pixels = images(2)
    nodes = profiled_layers(engine, EngineLane(engine), pixels, {}, calls=3)
    assert nodes == [NodeTime("sums", "kgen", 0.25), NodeTime("largest", "layer", 0.5)]
