"""Run as a program: parse and build one ONNX file with TensorRT-RTX and the plugin, print JSON.

A process of its own, because a mistake in a plugin ends the process that loads it.
usage: build_engine_probe.py PLUGIN_LIBRARY MODEL_ONNX PROFILE_JSON
PROFILE_JSON: {input name: [smallest, usual, largest shape]}, {} where all shapes are static.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import tensorrt_rtx as trt

PLUGINS = ("SelectiveScan2D", "SelectiveScan", "MultiLevelRoiAlign")


class CollectingLogger(trt.ILogger):
    """Keeps what TensorRT and the plugin report as errors."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def log(self, severity: Any, message: str) -> None:
        if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
            self.errors.append(message)


def parse(logger: CollectingLogger, model: str) -> tuple[Any, Any, list[str]]:
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    parsed = parser.parse_from_file(model)
    problems = [parser.get_error(i).desc() for i in range(parser.num_errors)]
    return builder, network if parsed else None, problems


def build(builder: Any, network: Any, profile_shapes: dict[str, list[list[int]]]) -> Any:
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.SM89, 0)
    if profile_shapes:
        profile = builder.create_optimization_profile()
        for name, shapes in profile_shapes.items():
            profile.set_shape(name, *(tuple(shape) for shape in shapes))
        config.add_optimization_profile(profile)
    return builder.build_serialized_network(network, config)


def plugin_name(layer: Any) -> str:
    layer.__class__ = trt.IPluginV3Layer  # the binding gives layers as their base class
    core = layer.plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
    return str(core.plugin_name)


def main(library: str, model: str, profile: str) -> dict[str, Any]:
    logger = CollectingLogger()
    # The first object that is given a logger gives it to the registry, and so to the plugin.
    runtime = trt.Runtime(logger)
    assert runtime is not None
    registry = trt.get_plugin_registry()
    loaded = registry.load_library(library) is not None
    creators = [registry.get_creator(name, "1", "vmamba") for name in PLUGINS]
    answer: dict[str, Any] = {
        "loaded": loaded,
        "fields": {
            creator.name: [field.name for field in creator.field_names]
            for creator in creators
            if creator is not None and creator.plugin_version == "1"
        },
        "plugin_layers": {},
        "engine_bytes": 0,
    }
    builder, network, problems = parse(logger, model)
    if network is not None:
        layers = [network.get_layer(i) for i in range(network.num_layers)]
        answer["plugin_layers"] = Counter(
            plugin_name(each) for each in layers if each.type == trt.LayerType.PLUGIN_V3
        )
        answer["output"] = [list(network.get_output(0).shape), network.get_output(0).dtype.name]
        plan = build(builder, network, json.loads(profile))
        if plan is not None:
            answer["engine_bytes"] = plan.nbytes
    answer["errors"] = problems + logger.errors
    return answer


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])) + "\n")
