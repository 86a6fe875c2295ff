"""Write a network script: the way in which polygraphy's tools can use our plugin.

`polygraphy --plugins` only opens a library, before TensorRT is there; nothing registers the
creators of a library like ours, which exports `getCreators`. A script that defines `load_network`
can.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from types import MappingProxyType

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import InputFileError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.onnxruntime import create_session
from vmamba_deploy.runtimes.tensorrt.builder_config import input_profile
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT_RTX
from vmamba_deploy.runtimes.tensorrt.plan import AxisRanges, Profile
from vmamba_deploy.runtimes.tensorrt.soname_stub import soname_stub

_TEMPLATE = '''\
"""Polygraphy network script for {onnx_name}, written by vmamba-deploy.

    export POLYGRAPHY_USE_TENSORRT_RTX=1     # for TensorRT-RTX; leave it out for TensorRT
    polygraphy inspect model {script_name} --model-type trt-network-script
    polygraphy convert {script_name} --model-type trt-network-script -o model.engine \\\\
        --trt-min-shapes {smallest} \\\\
        --trt-opt-shapes {usual} \\\\
        --trt-max-shapes {largest}
    polygraphy run {script_name} --model-type trt-network-script --trt     # needs a GPU

It needs polygraphy and TensorRT only. The network is strongly typed: precision options do not
apply.
"""

import base64
import ctypes
import os
import sys

from polygraphy import config
from polygraphy.mod.trt_importer import lazy_import_trt

HERE = os.path.dirname(os.path.abspath(__file__))
ONNX_PATH = os.path.join(HERE, {onnx_path!r})
PLUGIN_PATH = os.path.join(HERE, {plugin_path!r})
PLUGINS = {plugins!r}  # by name, version and namespace: the nodes that are to become it

# TensorRT-RTX's parser asks the loader for "libtensorrt_rtx.so" when it meets a plugin, and its
# wheel has "libtensorrt_rtx.so.1" only. This object has the one name and needs the other.
SONAME_STUB = base64.b64decode(
    {stub!r}
)

trt = lazy_import_trt()


def load_plugin():
    """Register the plugins; the registry keeps them until the process ends."""
    trt.__version__  # imports it, and with it libtensorrt_rtx.so.1
    if config.USE_TENSORRT_RTX:
        # `polygraphy inspect` asks for the module "tensorrt" whatever the flavour.
        sys.modules.setdefault("tensorrt", sys.modules["tensorrt_rtx"])
        descriptor = os.memfd_create("libtensorrt_rtx.so")
        os.write(descriptor, SONAME_STUB)
        ctypes.CDLL("/proc/self/fd/%d" % descriptor, mode=ctypes.RTLD_GLOBAL)
        os.close(descriptor)
    registry = trt.get_plugin_registry()
    if any(registry.get_creator(*plugin) is None for plugin in PLUGINS):
        registry.load_library(PLUGIN_PATH)
    for plugin in PLUGINS:
        if registry.get_creator(*plugin) is None:
            raise RuntimeError("%s does not bring the plugin %s" % (PLUGIN_PATH, plugin))


def plugin_of(layer):
    """Name, version and namespace."""
    layer.__class__ = trt.IPluginV3Layer  # the binding gives layers as their base class
    core = layer.plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
    return core.plugin_name, core.plugin_version, core.plugin_namespace


def load_network():
    """Called by polygraphy: (builder, network, parser)."""
    load_plugin()
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(ONNX_PATH):
        errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        raise RuntimeError("cannot parse %s:\\n%s" % (ONNX_PATH, "\\n".join(errors)))
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    plugins = [plugin_of(layer) for layer in layers if layer.type == trt.LayerType.PLUGIN_V3]
    for plugin, nodes in PLUGINS.items():
        if plugins.count(plugin) != nodes:
            became = plugins.count(plugin)
            raise RuntimeError("%d of %d nodes became the plugin %s" % (became, nodes, plugin))
    return builder, network, parser
'''


def write_network_script(
    model: OnnxModel,
    plugin_path: Path,
    out_path: Path,
    *,
    profile: Profile = ((1, 3, 224, 224), (8, 3, 224, 224), (32, 3, 224, 224)),
    ranges: AxisRanges = MappingProxyType({}),
) -> Path:
    """Write a script for `polygraphy run|convert|inspect --model-type trt-network-script`.

    `profile` holds the smallest, usual and largest shape of the first input that the commands in
    the script's docstring show, `ranges` those of axes that it has not. The two paths are written
    relative to the script, so the folder can be moved as a whole.

    Raises:
        InputFileError: the ONNX file or the plugin library is not there, or not sound.
    """
    if not plugin_path.is_file():
        raise InputFileError(f"the plugin library {plugin_path} does not exist")
    model.check(create_session)
    folder = out_path.resolve().parent
    major = (TENSORRT_RTX.version or "1").split(".", maxsplit=1)[0]
    stub = soname_stub("libtensorrt_rtx.so", f"libtensorrt_rtx.so.{major}")
    smallest, usual, largest = _shape_texts(model, profile, ranges)
    text = _TEMPLATE.format(
        onnx_name=model.path.name,
        script_name=out_path.name,
        smallest=smallest,
        usual=usual,
        largest=largest,
        onnx_path=_relative(model.path, folder),
        plugin_path=_relative(plugin_path, folder),
        plugins={tuple(plugin): nodes for plugin, nodes in model.plugins.items()},
        stub=base64.b64encode(stub).decode(),
    )
    with atomic_write(out_path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return out_path


def _shape_texts(model: OnnxModel, profile: Profile, ranges: AxisRanges) -> list[str]:
    """The smallest, usual and largest shapes of all inputs, as polygraphy takes them."""
    first, *others = model.inputs
    shapes = {first.name: profile}
    shapes |= {other.name: input_profile(other, first, profile, ranges) for other in others}
    return [
        " ".join(f"{name}:[{','.join(map(str, each[k]))}]" for name, each in shapes.items())
        for k in range(3)
    ]


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path.resolve(), folder)
