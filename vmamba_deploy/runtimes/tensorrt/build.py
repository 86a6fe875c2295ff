"""Build a TensorRT engine that carries our plugin, and write it whole or not at all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import BuildError, UsageError, printable
from vmamba_deploy.exporting.onnx_model import OnnxModel, missing_attributes
from vmamba_deploy.ops.op import PluginKey
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.runtimes.cuda_driver import GpuSearch, find_gpus
from vmamba_deploy.runtimes.onnxruntime import create_session
from vmamba_deploy.runtimes.tensorrt.builder_config import (
    configure,
    network_profile,
    target_members,
)
from vmamba_deploy.runtimes.tensorrt.callbacks import ProgressFeed, make_logger, make_monitor
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour, choose_flavour
from vmamba_deploy.runtimes.tensorrt.plan import AxisRanges, EnginePlan, Profile, Progress
from vmamba_deploy.runtimes.tensorrt.plugin_library import find_plugin_library, load_plugin

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.engine_facts import EngineFacts

_POLL_SECONDS = 0.05


def build_engine(
    plan: EnginePlan,
    model: OnnxModel,
    output: Path,
    *,
    profile: Profile,
    ranges: AxisRanges = MappingProxyType({}),
    plugin_library: Path | None = None,
    progress: Progress | None = None,
) -> EngineFacts:
    """Build the engine of an ONNX file and write it to `output`.

    Args:
        plan: how to build it.
        model: a file of `vmamba_deploy.exporting`, or like it.
        output: the engine file; written under another name and renamed, so that a failed or
            cancelled build leaves nothing and harms no older file.
        profile: shapes of the first input that the engine takes; those of others follow.
        ranges: of free axes that other inputs have and the first has not.
        plugin_library: `libvmamba_trt.so`; None builds or finds it.
        progress: called in this thread as progress(phase, step, total).

    Returns:
        What the manifest says of it; `build_seconds` are those of parsing and building, without
        the plugin's compilation.

    Raises:
        InputFileError: the ONNX file is not sound.
        UsageError: the plan does not fit the file, the flavour or this machine.
        EnvironmentProblem: TensorRT, its GPU or the plugin library is missing.
        BuildError: TensorRT cannot parse or build it, or a node of ours did not become its plugin.
        KeyboardInterrupt: once TensorRT has stopped.
    """
    from vmamba_deploy.artifacts.engine_facts import EngineFacts, PluginFacts, ShapeProfile

    search = find_gpus()
    flavour = check_feasible(plan, search)
    model.check(create_session)
    if not model.our_nodes:
        raise BuildError(f"{model.path} has no node for our plugins: it is not an export of ours")
    library = find_plugin_library(plugin_library)
    trt = flavour.module()
    load_plugin(flavour, library)

    started = time.perf_counter()
    logger = make_logger(trt)
    builder = trt.Builder(logger)
    if builder is None:
        raise BuildError(f"{flavour.title} cannot start: {'; '.join(logger.errors)}")
    parsed = parse_network(flavour, builder, logger, model)
    config = configure(flavour, builder, plan)
    config.add_optimization_profile(
        network_profile(builder, parsed.network, profile, model, ranges)
    )
    if plan.embed_plugin:
        config.plugins_to_serialize = [str(library)]
    engine = _build_cancellably(trt, builder, parsed.network, config, progress, logger)
    if engine is None:
        raise BuildError(f"{flavour.title} cannot build {model.path}:\n{_listed(logger.errors)}")
    seconds = time.perf_counter() - started
    with atomic_write(output) as temporary:
        temporary.write_bytes(memoryview(engine))
    if plan.timing_cache is not None:
        with atomic_write(plan.timing_cache) as temporary:
            temporary.write_bytes(memoryview(config.get_timing_cache().serialize()))
    smallest, usual, largest = profile
    return EngineFacts(
        built=True,
        reason=None,
        flavour=flavour.name,
        version=flavour.version,
        compute_capabilities=_targets(flavour, plan, search),
        version_compatible=plan.version_compatible,
        hardware_compatible=plan.hardware_compatible,
        weights_stripped=plan.strip_weights,
        plugin_layers=parsed.plugin_layers,
        build_seconds=round(seconds, 3),
        profile=ShapeProfile(min=smallest, opt=usual, max=largest),
        plugin=PluginFacts(
            **model.our_ops[0].plugin._asdict(),
            delivery="embedded" if plan.embed_plugin else "beside",
        ),
        layers_by_plugin=_several(model.nodes_by_op),
    )


def _several(layers: Mapping[str, int]) -> dict[str, int] | None:
    return dict(layers) if len(layers) > 1 else None


def check_feasible(plan: EnginePlan, search: GpuSearch | None = None) -> Flavour:
    """The flavour to build with; refuses what cannot be built here whatever the ONNX file.

    Raises:
        UsageError: the flavour has no such option, knows no such GPU, or needs one here for what
            the plan asks.
        EnvironmentProblem: TensorRT or the GPU that it builds on is missing.
    """
    search = search or find_gpus()
    flavour = choose_flavour(plan.flavour, search)
    plan.check_flavour(flavour)
    if plan.target_sm:
        target_members(flavour, plan)
    if plan.strip_weights and search.first is None:
        raise UsageError(
            f"{flavour.title} makes weight-stripped engines on a GPU only: {search.reason}",
            hint="build on a machine with a GPU, or keep the weights in",
        )
    return flavour


def _targets(flavour: Flavour, plan: EnginePlan, search: GpuSearch) -> tuple[str, ...]:
    if flavour.is_rtx:
        return tuple(f"{major}.{minor}" for major, minor in plan.target_sm)
    assert search.first is not None  # the full TensorRT cannot build without one
    major, minor = search.first.compute_capability
    return (f"{major}.{minor}",)


def _build_cancellably(
    trt: Any, builder: Any, network: Any, config: Any, progress: Progress | None, logger: Any
) -> Any:
    """The serialised engine, None on an error; Ctrl-C stops TensorRT at its next step.

    TensorRT works in a thread of its own, so that this one can take the signal.
    """
    feed = ProgressFeed()
    config.progress_monitor = make_monitor(trt, feed)
    result: list[Any] = []
    done = threading.Event()

    def work() -> None:
        try:
            result.append(builder.build_serialized_network(network, config))
        except Exception as error:  # noqa: BLE001 - it would end this thread without a word
            logger.errors.append(f"{type(error).__name__}: {error}")
        finally:
            done.set()

    # Waiting on an event, as an interrupted Thread.join of Python 3.11 takes the thread for ended.
    threading.Thread(target=work, name="tensorrt-build").start()
    try:
        while not done.wait(_POLL_SECONDS):
            feed.drain(progress)
        feed.drain(progress)
    except BaseException:
        feed.cancel()
        while not done.is_set():
            with contextlib.suppress(KeyboardInterrupt):  # once is enough
                done.wait(_POLL_SECONDS)
        raise
    return result[0] if result else None


@dataclass(frozen=True)
class ParsedNetwork:
    """A network, with the parser that owns its weights."""

    network: Any
    parser: Any
    plugin_layers: int


def parse_network(flavour: Flavour, builder: Any, logger: Any, model: OnnxModel) -> ParsedNetwork:
    """Parse the file.

    Raises:
        BuildError: all of the parser's errors in one, or a node of ours that did not become its
            plugin.
    """
    trt = flavour.module()
    # TensorRT 11 and RTX know nothing else than strongly typed; 10.x must be told.
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model.path)):
        raise BuildError(
            f"{flavour.title} cannot parse {model.path}:\n{_parser_errors(parser, logger)}"
        )
    plugins = _plugins_of(trt, network)
    if plugins != model.plugins:
        raise BuildError(_fallback_text(model, plugins))
    _check_interface(trt, network, model)
    return ParsedNetwork(network, parser, plugins.total())


def _plugins_of(trt: Any, network: Any) -> Counter[PluginKey]:
    """How many layers each plugin has, those of others among them."""
    plugins: Counter[PluginKey] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type != trt.LayerType.PLUGIN_V3:
            continue
        layer.__class__ = trt.IPluginV3Layer  # the binding gives layers as their base class
        core = layer.plugin.get_capability_interface(trt.PluginCapabilityType.CORE)
        plugins[PluginKey(core.plugin_name, core.plugin_version, core.plugin_namespace)] += 1
    return plugins


def _check_interface(trt: Any, network: Any, model: OnnxModel) -> None:
    """Names and dtypes as the file has them, and the input's free and fixed axes."""

    def told(name: str, dtype: str, shape: Sequence[int | str]) -> str:
        return f"{name} {dtype} {[axis if isinstance(axis, int) else -1 for axis in shape]}"

    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    parsed = [told(each.name, trt.nptype(each.dtype).__name__, each.shape) for each in inputs]
    parsed += [told(each.name, trt.nptype(each.dtype).__name__, ()) for each in outputs]
    read = [told(each.name, each.dtype, each.shape) for each in model.inputs]
    read += [told(each.name, each.dtype, ()) for each in model.outputs]
    if parsed != read:
        raise BuildError(f"{model.path} has {', '.join(read)}; parsed was {', '.join(parsed)}")


def _parser_errors(parser: Any, logger: Any) -> str:
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        node = f"node {error.node()} {error.node_name()!r} ({error.node_operator()}): "
        lines.append((node if error.node_operator() else "") + error.desc())
    return _listed(lines or logger.errors)


def _listed(reasons: list[str]) -> str:
    """TensorRT's words, a line each; names in them are those of a file."""
    lines = [line for reason in reasons for line in reason.strip().splitlines()]
    return "\n".join(f"  {printable(line)}" for line in lines or ["(no reason given)"])


def _fallback_text(model: OnnxModel, plugins: Counter[PluginKey]) -> str:
    counts = [
        f"{wanted} nodes {plugin.namespace}::{plugin.name}, but {plugins[plugin]} became its plugin"
        for plugin, wanted in model.plugins.items()
    ]
    text = f"{model.path} holds {' and '.join(counts)}: "
    attribute = "plugin_namespace"
    lacking = [node for node in model.our_nodes if attribute in missing_attributes(node)]
    if lacking:
        names = ", ".join(node.name or str(node.outputs[0].name) for node in lacking[:3])
        namespace = OPS[lacking[0].domain, lacking[0].op_type].fixed_attributes[attribute]
        return text + (
            f"{len(lacking)} node(s) lack the attribute {attribute}={namespace!r} ({names}), so "
            "TensorRT took their function body, which is slow"
        )
    return text + "the others took their function body, or the file brings plugins of its own"
