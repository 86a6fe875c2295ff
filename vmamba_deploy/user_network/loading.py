"""From a module of the user's to a network that the rest of the package exports and compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vmamba_deploy.adapting import shims
from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.download import Progress
from vmamba_deploy.models.loading import RANDOM, LoadedModel, weights_sha256
from vmamba_deploy.models.origin import Origin, notes_of
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.preprocessing.specification import IMAGENET_PREPROCESSING, Preprocessing
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.custom import custom_task
from vmamba_deploy.tasks.inputs import random_input
from vmamba_deploy.tasks.task import Input, sized
from vmamba_deploy.user_network.adaptation import adapted, require_calls
from vmamba_deploy.user_network.network import (
    UnadaptedModule,
    UserArchitecture,
    UserFamily,
    UserNetwork,
    copied,
)
from vmamba_deploy.user_network.outputs import named_outputs, output_facts
from vmamba_deploy.user_network.products import WeightsOfProducts
from vmamba_deploy.user_network.recording import OpRecorder
from vmamba_deploy.user_network.request import Builder, Interface
from vmamba_deploy.user_network.signature import check_inputs
from vmamba_deploy.user_network.source import built_module, users_code
from vmamba_deploy.user_network.weights import fill_module

IN_MEMORY = "in memory"


@dataclass(frozen=True)
class UserWeights:
    """Where the weights are from.

    Attributes:
        source: a path, an https URL, `random`: those that the network is built with; or
            `in memory`: those that a module has which is at hand.
        choice: which network of a file, where it has several.
        seed: of what is random.
    """

    source: str = RANDOM
    choice: WeightsChoice | None = None
    seed: int = 0


def load_user_network(
    network: Builder | nn.Module,
    interface: Interface,
    weights: UserWeights,
    preprocessing: PreprocessingOptions | None = None,
    *,
    warn: Callable[[str], None] = lambda _text: None,
    progress: Progress | None = None,
) -> LoadedModel:
    """Build, fill, adapt and run once a network of the user's.

    The network of a file is imported and run under `vmamba_deploy.shims()`. A module that is at
    hand stays as it is: a copy of it is adapted.

    Args:
        network: the function that makes it, or itself.
        interface: its inputs and outputs.
        weights: where they are from.
        preprocessing: how images become the first input; None: nobody knows.
        warn: told what `adapt` does not know.
        progress: of a download.

    Raises:
        InputFileError: the file or the weights are not what they should be, the network raises, or
            nothing in it is one of our ops.
        UsageError: inputs or outputs that the network does not have.
        VmambaError: of `adapt`.
    """
    for op in OPS.values():
        op.register_torch()  # a network may call them by itself
    with shims():
        if isinstance(network, Builder):
            module, name = built_module(network, seed=weights.seed), network.title
        else:
            module, name = copied(network), type(network).__name__
        module = module.cpu().float().eval().requires_grad_(False)
        source, digest, origin = _filled(module, name, weights, progress)
        check_inputs(module, interface.inputs)
        unadapted = copied(module)
        why = adapted(module, warn)
        task, architecture = _run_once(module, name, interface, weights.seed)
    require_calls(architecture.calls, name, why)
    user = UserNetwork(module, task, interface.axes, interface.outputs)
    user.config, user.unadapted = architecture, UnadaptedModule(unadapted)
    prepared = _prepared(preprocessing, interface.inputs[0])
    return LoadedModel(user.eval(), UserFamily(architecture), source, digest, prepared, origin)


def _filled(
    module: nn.Module, name: str, weights: UserWeights, progress: Progress | None
) -> tuple[str, str, Origin]:
    architecture = f"that of {name}"
    if weights.source in (RANDOM, IN_MEMORY):
        told = f"{RANDOM} (seed {weights.seed})" if weights.source == RANDOM else IN_MEMORY
        origin = Origin("", (), "", architecture, None, ())
        return told, weights_sha256(module.state_dict()), origin
    digest, found = fill_module(module, weights.source, weights.choice, progress)
    notes = notes_of(found)
    origin = Origin(found.key, found.other_keys, found.prefix, architecture, None, notes)
    return weights.source.partition("#sha256=")[0], digest, origin


def _run_once(
    module: nn.Module, name: str, interface: Interface, seed: int
) -> tuple[Task, UserArchitecture]:
    """Its outputs, the ops of ours that it calls, and which of its weights enter products alone."""
    tensors = _example_tensors(interface.inputs, seed)
    recorder, watched = OpRecorder(), WeightsOfProducts(module)
    with (
        users_code(f"forward() of {name}"),
        torch.inference_mode(),
        recorder.watching(module),
        watched,
        recorder,
    ):
        given = module(**tensors)
    outputs = named_outputs(given, interface.outputs)
    _check_names(interface.inputs, outputs)
    facts = output_facts(outputs, interface.outputs, fixed=not interface.axes)
    parts = dict.fromkeys(path for path, _ in module.named_children())
    layers = tuple(path for path in {**parts, **recorder.modules} if path) or ("",)
    architecture = UserArchitecture(name, recorder.calls, layers, watched.names)
    return custom_task(interface.freed, facts), architecture


def _example_tensors(inputs: Sequence[Input], seed: int) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    return {
        one.name: torch.from_numpy(random_input(one, sized(one.shape, {}), generator))
        for one in inputs
    }


def _check_names(inputs: Sequence[Input], outputs: dict[str, Tensor]) -> None:
    taken = {one.name for one in inputs}
    if both := [name for name in outputs if name in taken]:
        raise UsageError(
            f"{both[0]} is the name of an input and of an output, which a file cannot have",
            hint="name the outputs with --outputs",
        )


def _prepared(options: PreprocessingOptions | None, first: Input) -> Preprocessing | None:
    """How images become the first input, where the user says anything of it.

    Raises:
        UsageError: the first input is no image.
    """
    if options is None or options == PreprocessingOptions():
        return None
    match first.shape:
        case (_, int(channels), int(height), int(width)) if first.dtype == "float32":
            own = IMAGENET_PREPROCESSING.for_channels(channels).for_size((height, width))
            return options.applied(own)
    raise UsageError(
        f"--mean, --std and the like are of an image, and {first.name} is {first.dtype} of "
        f"{'x'.join(map(str, first.shape))}",
        hint="the first --input must be float32, batch x channels x height x width",
    )
