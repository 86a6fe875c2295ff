"""A TensorRT-RTX that fails as it is told to, for what no machine can be made to do on request."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np


class Logger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class Monitor:
    pass


class Registry:
    """Knows our plugin already."""

    def get_creator(self, *_plugin: str) -> object:
        return object()


class Config:
    """Takes whatever it is told."""

    progress_monitor: Any = None

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: None


class BuilderFlag:
    TF32 = "tf32"


class Layer:
    type = "plugin"


class PluginLayer(Layer):
    @property
    def plugin(self) -> Any:
        core = SimpleNamespace(
            plugin_name="SelectiveScan2D", plugin_version="1", plugin_namespace="vmamba"
        )
        return SimpleNamespace(get_capability_interface=lambda _type: core)


class Network:
    """As many plugin layers as the file has scans."""

    num_inputs = num_outputs = 1

    def __init__(self, layers: int) -> None:
        self.num_layers = layers

    def get_layer(self, _index: int) -> Any:
        return Layer()

    def get_input(self, _index: int) -> Any:
        return SimpleNamespace(name="pixel_values", shape=(-1, 3, 32, 32), dtype=np.float32)

    def get_output(self, _index: int) -> Any:
        return SimpleNamespace(name="logits", shape=(-1, 10), dtype=np.float32)


class ParserError:
    def __init__(self, text: str) -> None:
        self._text = text

    def node(self) -> int:
        return 7

    def node_name(self) -> str:
        return "the \x1b[31mculprit"

    def node_operator(self) -> str:
        return "Conv"

    def desc(self) -> str:
        return self._text


class TensorRT:
    """The module.

    Args:
        layers: scans that the parser turns into plugins.
        starts: whether there is a builder.
        parses: whether the file can be parsed; else with two errors.
        build: gives the engine's bytes, None, or raises.
        deserialise: the same, for an engine.
    """

    ILogger, IProgressMonitor, BuilderFlag = Logger, Monitor, BuilderFlag
    ProfilingVerbosity = SimpleNamespace(DETAILED="detailed")
    IPluginV3Layer = PluginLayer
    __version__ = "1.7.1"

    class LayerType:
        PLUGIN_V3 = "plugin"

    class PluginCapabilityType:
        CORE = 0

    class NetworkDefinitionCreationFlag:
        STRONGLY_TYPED = 0

    def __init__(
        self,
        layers: int = 4,
        *,
        starts: bool = True,
        parses: bool = True,
        build: Callable[[], bytes | None] = lambda: None,
        deserialise: Callable[[], Any] = lambda: None,
    ) -> None:
        self._layers, self._starts, self._parses = layers, starts, parses
        self._build, self._deserialise = build, deserialise
        self.logger: Any = None

    def nptype(self, dtype: Any) -> Any:
        return dtype

    def get_plugin_registry(self) -> Registry:
        return Registry()

    def Builder(self, logger: Any) -> Any:  # noqa: N802 - TensorRT's names
        self.logger = logger
        return self if self._starts else None

    def create_network(self, _flags: int) -> Network:
        return Network(self._layers)

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Any:
        return Config()

    def OnnxParser(self, _network: Any, _logger: Any) -> Any:  # noqa: N802
        return self

    def parse_from_file(self, _path: str) -> bool:
        return self._parses

    num_errors = 2

    def get_error(self, index: int) -> ParserError:
        return ParserError(["unsupported\x1b[2J", "and more"][index])

    def build_serialized_network(self, _network: Any, _config: Any) -> bytes | None:
        return self._build()

    def Runtime(self, logger: Any) -> Any:  # noqa: N802
        self.logger = logger
        return self

    def deserialize_cuda_engine(self, _content: bytes) -> Any:
        return self._deserialise()
