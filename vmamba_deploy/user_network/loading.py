"""From a module of the user's to a network that the rest of the package exports and compares."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from vmamba_deploy.adapting import adapt, shims
from vmamba_deploy.addresses import without_secrets
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.download import Progress
from vmamba_deploy.models.family import OpCalls
from vmamba_deploy.models.loading import RANDOM, LoadedModel, weights_sha256
from vmamba_deploy.models.origin import Origin, notes_of
from vmamba_deploy.ops.registry import OPS
from vmamba_deploy.preprocessing.options import PreprocessingOptions
from vmamba_deploy.preprocessing.specification import IMAGENET_PREPROCESSING, Preprocessing
from vmamba_deploy.tasks import Task
from vmamba_deploy.tasks.custom import custom_task
from vmamba_deploy.tasks.inputs import random_input
from vmamba_deploy.tasks.task import Input, sized
from vmamba_deploy.user_network.network import (
    UnadaptedModule,
    UserArchitecture,
    UserFamily,
    UserNetwork,
    copied,
)
from vmamba_deploy.user_network.our_calls import OpRecorder, running_modules
from vmamba_deploy.user_network.outputs import named_outputs, output_facts
from vmamba_deploy.user_network.products import WeightsOfProducts
from vmamba_deploy.user_network.request import Builder, Interface
from vmamba_deploy.user_network.source import built_module, users_code
from vmamba_deploy.user_network.weights import fill_module

IN_MEMORY = "in memory"
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


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
        _check_inputs(module, interface.inputs)
        unadapted = copied(module)
        why = _adapted(module, warn)
        task, architecture = _run_once(module, name, interface, weights.seed)
    _require_calls(architecture.calls, name, why)
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
    return without_secrets(weights.source).partition("#sha256=")[0], digest, origin


def _check_inputs(module: nn.Module, inputs: Sequence[Input]) -> None:
    """Compare the inputs that a user names with `forward`'s parameters, before anything runs.

    Raises:
        UsageError: an input that `forward` does not take, or one that it needs and nobody names.
    """
    parameters = inspect.signature(module.forward).parameters.values()
    named = {each.name: each for each in parameters if each.kind in _NAMED}
    open_ended = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)
    title = f"forward() of {type(module).__name__}"
    for unknown in (one.name for one in inputs if one.name not in named and not open_ended):
        close = difflib.get_close_matches(unknown, named, n=1)
        has = [*close, *(name for name in named if name not in close)]
        raise UsageError(
            f"{title} takes no {unknown}", hint=f"it takes {', '.join(has) or 'nothing'}"
        )
    given = {one.name for one in inputs}
    needed = [name for name, each in named.items() if each.default is inspect.Parameter.empty]
    if lacking := [name for name in needed if name not in given]:
        raise UsageError(
            f"{title} needs {', '.join(lacking)}, and nothing says what it is",
            hint=f"add --input {lacking[0]}=SHAPE",
        )


def _adapted(module: nn.Module, warn: Callable[[str], None]) -> UsageError | None:
    """Adapt in place where there is anything to adapt: a network may call our ops by itself.

    Returns:
        Why nothing was adapted, None where something was.
    """
    try:
        report = adapt(module)
    except UsageError as error:
        return error
    for one in report.unknown:
        warn(f"{one.path or 'the network'}, {one.what}, was left as it is: {one.why}")
    return None


def _require_calls(calls: tuple[OpCalls, ...], name: str, why: UsageError | None) -> None:
    """Raise InputFileError where no op of ours is called; `why` nothing was adapted."""
    if calls:
        return
    reason = why.message if why is not None else "what was adapted is not run by forward()"
    hint = why.hint if why is not None else None
    raise InputFileError(f"{name} calls no operator of this package: {reason}", hint=hint)


def _run_once(
    module: nn.Module, name: str, interface: Interface, seed: int
) -> tuple[Task, UserArchitecture]:
    """Its outputs, the ops of ours that it calls, and which of its weights enter products alone."""
    tensors = _example_tensors(interface.inputs, seed)
    with (
        users_code(f"forward() of {name}"),
        torch.inference_mode(),
        running_modules(module) as running,
        WeightsOfProducts(module) as watched,
        OpRecorder(running) as recorder,
    ):
        given = module(**tensors)
    outputs = named_outputs(given, interface.outputs)
    _check_names(interface.inputs, outputs)
    facts = output_facts(outputs, interface.outputs, fixed=not interface.axes)
    parts = dict.fromkeys(path for path, _ in module.named_children())
    layers = tuple(path for path in {**parts, **recorder.modules} if path) or ("",)
    logits = (outputs[fact.name].shape[-1] for fact in facts if fact.kind == "logits")
    architecture = UserArchitecture(name, recorder.calls, layers, watched.names, next(logits, None))
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
