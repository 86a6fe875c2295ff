"""Build a TensorRT engine that carries our plugin, and write it whole or not at all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import BuildError, UsageError
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.runtimes.cuda_driver import GpuSearch, find_gpus
from vmamba_deploy.runtimes.onnxruntime import create_session
from vmamba_deploy.runtimes.tensorrt.builder_config import (
    configure,
    network_profile,
    target_members,
)
from vmamba_deploy.runtimes.tensorrt.callbacks import ProgressFeed, make_logger, make_monitor
from vmamba_deploy.runtimes.tensorrt.engine_layers import (
    listed_layers,
    lone_launches,
    narrow_products,
)
from vmamba_deploy.runtimes.tensorrt.flavour import Flavour, choose_flavour
from vmamba_deploy.runtimes.tensorrt.parsing import parse_network, refusal
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
        raise refusal(f"{flavour.title} cannot build {model.path}", logger.errors)
    seconds = time.perf_counter() - started
    with atomic_write(output) as temporary:
        temporary.write_bytes(memoryview(engine))
    if plan.timing_cache is not None:
        with atomic_write(plan.timing_cache) as temporary:
            temporary.write_bytes(memoryview(config.get_timing_cache().serialize()))
    smallest, usual, largest = profile
    layers = listed_layers(logger.layer_lists)
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
        launches=len(layers) or None,
        narrow_products=narrow_products(model, layers) or None,
        lone_launches=lone_launches(model, layers) or None,
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
        except Exception as error:  # noqa: BLE001 - it would end this thread unseen
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
