"""A stand-in for a GPU and for TensorRT's objects: memory is the host's, work waits on streams.

What a lane puts on a stream runs when the stream is waited for, and a captured graph runs what was
recorded, with the addresses of then: a lane that mixes up shapes, buffers or graphs computes
something else.
"""

from __future__ import annotations

import ctypes

import numpy as np


class Stream:
    def __init__(self):
        self.waiting = []
        self.handle = id(self)
        STREAMS[self.handle] = self
        self.closed = False

    def close(self):
        self.closed = True


STREAMS: dict[int, Stream] = {}


class Memory:
    """Page-locked or device memory, filled with rubbish."""

    def __init__(self, size_bytes):
        self.content = np.random.default_rng().integers(0, 255, size_bytes, dtype=np.uint8)
        self.address = self.handle = self.content.ctypes.data
        self.closed = False

    def view(self, shape, dtype):
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.content[:size].view(dtype).reshape(shape)

    def close(self):
        assert not self.closed
        self.closed = True
        self.content[:] = 255


class Graph:
    def __init__(self, work):
        self.work, self.launches = work, 0

    def launch(self, stream):
        self.launches += 1
        stream.waiting += self.work

    def close(self):
        self.work = None


class HostDevice:
    """What a lane asks of `CudaDevice`."""

    def __init__(self):
        self.memory, self.graphs = [], []

    def make_current(self):
        pass

    def create_stream(self):
        return Stream()

    def allocate(self, size_bytes, stream):
        return self.allocate_host(size_bytes)

    def allocate_host(self, size_bytes):
        self.memory.append(Memory(size_bytes))
        return self.memory[-1]

    def copy(self, target, source, size_bytes, stream):
        stream.waiting.append(lambda: ctypes.memmove(target, source, size_bytes))

    def capture(self, stream, work):
        recorder = Stream()
        work(recorder)
        self.graphs.append(Graph(list(recorder.waiting)))
        return self.graphs[-1]

    def wait(self, stream):
        for work in stream.waiting:
            work()
        stream.waiting.clear()


class TensorRT:
    """The module: modes, types; TensorRT 10, which leaves CUDA graphs to its callers."""

    class TensorIOMode:
        INPUT, OUTPUT = "in", "out"

    class LayerInformationFormat:
        JSON = "json"

    class IProfiler:
        pass

    @staticmethod
    def nptype(dtype):
        return dtype


class Context:
    """Computes the sum and the largest value of each image, and halves of them if asked for.

    With the input `sizes`, `areas` are the products of its rows.
    """

    def __init__(self, engine):
        self.engine, self.addresses, self.shape, self.sizes = engine, {}, None, None
        self.profiler = None

    def set_input_shape(self, name, shape):
        assert self.engine.get_tensor_mode(name) == "in"
        low, _, high = self.engine.get_tensor_profile_shape(name, 0)
        inside = len(shape) == len(low)
        inside = inside and all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))
        if inside and name == "sizes":
            self.sizes = tuple(shape)
        elif inside:
            self.shape = tuple(shape)
        return inside

    def get_tensor_shape(self, name):
        shapes = {"pixel_values": self.shape, "logits": (self.shape[0], 2), "sizes": self.sizes}
        shapes["areas"] = (self.shape[0],)
        return shapes.get(name, (self.shape[0], *self.shape[1:3], 2))

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, handle):
        if self.engine.broken:
            return False
        shape, addresses = self.shape, dict(self.addresses)
        STREAMS[handle].waiting.append(lambda: self._compute(shape, addresses))
        if self.profiler is not None:  # it waits for the layers then
            self.profiler.report_layer_time("sums", 0.25)
            self.profiler.report_layer_time("largest", 0.5)
        return True

    @staticmethod
    def _compute(shape, addresses):
        def array(name, of_shape):
            size = int(np.prod(of_shape))
            kind = ctypes.POINTER(
                {"sizes": ctypes.c_int64, "areas": ctypes.c_int32}.get(name, ctypes.c_float)
            )
            pointer = ctypes.cast(addresses[name], kind)
            return np.ctypeslib.as_array(pointer, (size,)).reshape(of_shape)

        images = array("pixel_values", shape).reshape(shape[0], -1)
        array("logits", (shape[0], 2))[:] = np.stack([images.sum(1), images.max(1)], axis=1)
        if "halves" in addresses:
            given = array("pixel_values", shape)
            array("halves", (*shape[:3], 2))[:] = given[..., :2] / 2
        if "areas" in addresses:
            array("areas", shape[:1])[:] = array("sizes", (shape[0], 2)).prod(axis=1)


class Engine:
    """An engine with a profile of batches 1 to 6 over images of [3,4,5]."""

    broken = False

    def __init__(self, names=("pixel_values", "logits")):
        self.names, self.num_io_tensors = names, len(names)

    def get_tensor_name(self, index):
        return self.names[index]

    def get_tensor_mode(self, name):
        return "in" if name in ("pixel_values", "sizes") else "out"

    def get_tensor_dtype(self, name):
        return {"sizes": np.int64, "areas": np.int32}.get(name, np.float32)

    def get_tensor_profile_shape(self, name, profile):
        if name == "sizes":
            return [(1, 2), (2, 2), (6, 2)]
        return [(1, 3, 4, 5), (2, 3, 4, 5), (6, 3, 4, 5)]

    def create_execution_context(self, *config):
        self.configs = config
        return Context(self)

    def create_engine_inspector(self):
        return Inspector()


class Inspector:
    """Of an engine that was built with the details of one layer alone."""

    @staticmethod
    def get_engine_information(written):
        assert written == TensorRT.LayerInformationFormat.JSON
        return '{"Layers": [{"Name": "sums", "LayerType": "kgen"}, "largest"], "Bindings": []}'
