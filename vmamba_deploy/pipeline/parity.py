"""The proof of a run: files, read back from disk, against the network that they were made from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, PreprocessingFacts, read_manifest
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.exporting.onnx_file import deployable_module
from vmamba_deploy.exporting.onnx_model import OnnxModel
from vmamba_deploy.exporting.options import ExportOptions
from vmamba_deploy.files import shown
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.checkpoints.download import is_url
from vmamba_deploy.models.loading import RANDOM, load_weights, weights_file_sha256
from vmamba_deploy.parity.compare import Progress, compare_runtimes
from vmamba_deploy.parity.elements import Tolerance
from vmamba_deploy.parity.figures import Arrays
from vmamba_deploy.parity.inputs import build_inputs
from vmamba_deploy.parity.kinds import shakes_of
from vmamba_deploy.parity.named_inputs import build_named_inputs
from vmamba_deploy.parity.witness import Witness
from vmamba_deploy.pipeline.engine import axis_ranges, size_profile
from vmamba_deploy.precisions import BaseName
from vmamba_deploy.runtimes.base import AbsentRuntime, ModelFiles
from vmamba_deploy.runtimes.pytorch import PyTorchRuntime
from vmamba_deploy.runtimes.registry import runtimes_on, why_absent
from vmamba_deploy.tasks import TASKS, Task
from vmamba_deploy.tasks.custom import BATCH
from vmamba_deploy.user_network.loading import UserWeights, load_user_network
from vmamba_deploy.user_network.network import UserNetwork
from vmamba_deploy.user_network.request import AskedOutput, Builder, Interface

if TYPE_CHECKING:
    from torch import nn

    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.parity.inputs import InputSet
    from vmamba_deploy.parity.results import RunResult
    from vmamba_deploy.preprocessing import Preprocessing
    from vmamba_deploy.runtimes.base import Runtime


def check_parity(
    facts: OnnxModel,
    loaded: LoadedModel,
    *,
    engine: EngineFacts,
    batches: Sequence[int],
    seed: int = 0,
    written_here: bool = False,
    progress: Progress,
    witness: Witness | None = None,
    given: Arrays | None = None,
    required: Sequence[str] = (),
    sets: Sequence[InputSet] = (),
    tolerance: Tolerance | None = None,
) -> tuple[RunResult, ...]:
    """Compare every runtime that can execute the files with PyTorch in fp32.

    Args:
        facts: of the ONNX file on disk; the engine, if built, is `model.engine` beside it.
        loaded: the fp32 network it was made from.
        engine: the manifest's `engine`.
        batches: sizes to compare at.
        seed: of the random inputs.
        written_here: the files are this process's own; see `ModelFiles`.
        progress: told what runs and the fraction done.
        witness: told of the outputs, to show them.
        given: inputs by name to compare with as well, of a network whose inputs are its own.
        required: runtimes that have a result in any case, `skipped` where nothing is for them.
        sets: to compare on beside those of `parity_inputs`.
        tolerance: of each element, beside the limits of the precision.

    Raises:
        InputFileError: the reference itself gives outputs that are not finite.
    """

    files = ModelFiles(
        facts, network(facts, loaded, facts.base), engine=engine, written_here=written_here
    )
    inputs = [*parity_inputs(facts, loaded.preprocessing, batches, seed, engine, given), *sets]
    full = facts.task.with_optional(output.name for output in facts.task.optional)
    results = compare_runtimes(
        PyTorchRuntime(reference_network(facts, loaded, full), full),
        candidates(files, required),
        inputs,
        facts.precision,
        task=facts.task,
        progress=progress,
        witness=witness,
        tolerance=tolerance,
    )
    return tuple(results)


def candidates(files: ModelFiles, required: Sequence[str]) -> list[Runtime]:
    """The runtimes of some files, and who stands for those that are required and not there."""
    there = runtimes_on(files)
    names = {runtime.name for runtime in there}
    absent = (AbsentRuntime(name, why_absent(name)) for name in required if name not in names)
    return [*there, *absent]


def parity_fields(result: RunResult) -> dict[str, Any]:
    """One runtime's outcome as plain values, for JSON lines."""
    return {
        "runtime": result.runtime,
        "status": result.status,
        "reason": result.reason,
        "metrics": asdict(result.metrics) if result.metrics else None,
        **({"elements": asdict(result.elements)} if result.elements else {}),
    }


def parity_inputs(
    facts: OnnxModel,
    preprocessing: Preprocessing | None,
    batches: Sequence[int],
    seed: int = 0,
    engine: EngineFacts | None = None,
    given: Arrays | None = None,
) -> list[InputSet]:
    """Batches in the file's own layout; where it leaves the size free, other sizes as well.

    Those are the smallest and the largest of the engine's profile, and one that is not square;
    without an engine, of the profile that one would have. Of a network with inputs of its own see
    `compared_axes`.
    """
    if facts.task.first is not None:
        return build_named_inputs(
            facts.task,
            compared_axes(facts, batches),
            seed=seed,
            preprocessing=preprocessing,
            given=given,
        )
    assert preprocessing is not None
    taken, raw, others = fitting(batches, facts), facts.takes_bytes(), facts.task.inputs
    traced = preprocessing.for_size(facts.image_size())
    sets = build_inputs(
        taken,
        traced,
        seed=seed,
        raw=raw,
        inputs=others,
        photos_only=shakes_of(facts.task) > 0,
    )
    for height, width in _other_sizes(facts, engine):
        sized = preprocessing.for_size((height, width))
        photos, *_ = build_inputs(taken[:1], sized, seed=seed, raw=raw, inputs=others)
        sets.append(replace(photos, name=f"{photos.name}-{height}x{width}"))
    return sets


def compared_axes(facts: OnnxModel, batches: Sequence[int]) -> list[dict[str, int]]:
    """The sizes of free axes at which a network with inputs of its own is compared.

    What was traced, at the two smallest of the batches; where other axes are free, the smallest
    that an engine usually takes, and the first of them so beside the others as traced. One is
    larger than what was traced where none is smaller, for the reference takes a step of a loop for
    each step of a scan; so each free axis is compared at a size that was not traced.
    """
    usual = facts.interface.axes
    found = [{**usual, BATCH: batch} for batch in batches[:2]] if BATCH in usual else [dict(usual)]
    others = {
        name: low if low < usual[name] else high
        for name, (low, _, high) in axis_ranges(facts).items()
        if name != BATCH
    }
    mixed = {name: others[name] for name in list(others)[:1]}
    for sizes in (found[0] | others, found[0] | mixed):
        found += [sizes] if sizes not in found else []
    return found


def fitting(batches: Sequence[int], facts: OnnxModel) -> tuple[int, ...]:
    """The batch sizes that the file takes: the asked ones, or its fixed one."""
    fixed = facts.inputs[0].shape[0]
    return (fixed,) if isinstance(fixed, int) else tuple(batches)


def network(
    facts: OnnxModel, loaded: LoadedModel, precision: BaseName, task: Task | None = None
) -> nn.Module:
    """The PyTorch module that takes what the file takes, in another precision if need be.

    Args:
        facts: of the file.
        loaded: the fp32 network it was made from.
        precision: of the module.
        task: whose outputs it gives; None takes the file's.
    """
    if facts.task.first is not None:
        return deployable_module(loaded, ExportOptions(precision=precision))
    options = ExportOptions(
        precision=precision,
        image_size=facts.image_size(),
        preprocess=facts.takes_bytes(),
        task=facts.task.name,
        outputs=optional_outputs(facts, task),
    )
    return deployable_module(loaded, options)


def optional_outputs(facts: OnnxModel, task: Task | None = None) -> tuple[str, ...]:
    """Of a file's task, or of another form of it, the outputs that need not be there."""
    given = (task or facts.task).output_names
    optional = {output.name for output in TASKS[facts.task.name].optional}
    return tuple(name for name in given if name in optional)


def reference_network(facts: OnnxModel, loaded: LoadedModel, task: Task | None = None) -> nn.Module:
    """What the file is compared with, in fp32: of a user's network the one that was not adapted.

    So a wrong adaptation is found like any other fault.
    """
    if isinstance(loaded.model, UserNetwork):
        return deployable_module(
            replace(loaded, model=loaded.model.reference()), ExportOptions(precision="fp32")
        )
    return network(facts, loaded, "fp32", task)


def _other_sizes(facts: OnnxModel, engine: EngineFacts | None) -> list[tuple[int, int]]:
    if not facts.has_free_size():
        return []
    smallest, _, largest = size_profile(facts)
    if engine is not None and engine.profile is not None:
        rows = slice(1, 3) if facts.takes_bytes() else slice(2, 4)
        low, high = engine.profile.min[rows], engine.profile.max[rows]
        smallest, largest = (low[0], low[1]), (high[0], high[1])
    wanted = [smallest, (smallest[0], largest[1]), largest]
    return [size for size in dict.fromkeys(wanted) if size != facts.image_size()]


_RANDOM_SOURCE = re.compile(r"random \(seed (\d+)\)")


def named_weights(facts: OnnxModel) -> tuple[str, str]:
    """Where the weights of a file were, and their sha256, as it says.

    Raises:
        InputFileError: it does not.
    """
    named = facts.metadata.get("weights_source")
    expected = facts.metadata.get("weights_sha256")
    if named is None or expected is None:
        raise InputFileError(
            f"{facts.path} was not written by this package: it does not name its weights"
        )
    return named, expected


def load_reference(
    facts: OnnxModel,
    weights: str | None = None,
    choice: WeightsChoice | None = None,
    builder: Builder | None = None,
) -> LoadedModel:
    """Load the weights that the file's metadata names, and check that they are the same.

    Args:
        facts: of an ONNX file written by this package.
        weights: where they are; None looks where the manifest beside the file says, then for their
            name beside the file and in the current folder.
        choice: which network of theirs, where it is not the one that the metadata says.
        builder: of a user's network.

    Raises:
        UsageError: a builder is missing, or given for a network of ours.
        InputFileError: the file does not say, the weights are gone, or they are others.
    """

    named, expected = named_weights(facts)
    own = facts.task.first is not None
    if own != (builder is not None):
        raise UsageError(_BUILDER[own])
    random = _RANDOM_SOURCE.fullmatch(weights or named)
    source = weights or (named if random or is_url(named) else _found(facts, named, expected))
    spec, seed = RANDOM if random else source, int(random[1]) if random else 0
    asked = None if random else _choice_of(facts, choice)
    if builder is not None:
        loaded = load_user_network(builder, _interface_of(facts), UserWeights(spec, asked, seed))
    else:
        loaded = load_weights(
            spec,
            preset=facts.preset,
            # Weights in a file know their own.
            num_classes=_random_classes(facts) if random else None,
            seed=seed,
            choice=asked,
        )
    if loaded.sha256 != expected:
        raise InputFileError(
            f"{source} has sha256 {loaded.sha256[:16]}..., {facts.path.name} was exported from "
            f"{expected[:16]}...",
            hint="give the right file with --weights",
        )
    return replace(loaded, preprocessing=preprocessing_of(facts))


def _random_classes(facts: OnnxModel) -> int:
    """How many classes a network with random weights was made with.

    A file without the classifier of its weights says how many that has.
    """
    classes = facts.structured("num_classes") or facts.outputs[0].shape[-1]
    return classes if isinstance(classes, int) else 1000


_BUILDER = {
    True: "the file is of a network of a user's: name the function that makes it, with --network "
    "FILE.py:FUNCTION",
    False: "--network is for files of a user's network; this one is of a network of ours",
}


def _interface_of(facts: OnnxModel) -> Interface:
    """As it was asked for when the file was exported."""
    axes, task = facts.interface.axes, facts.task
    assert task.first is not None
    inputs = (task.first, *task.inputs)
    return Interface(
        tuple(
            replace(one, shape=tuple(axes[a] if isinstance(a, str) else a for a in one.shape))
            for one in inputs
        ),
        {
            one.name: {place: a for place, a in enumerate(one.shape) if isinstance(a, str)}
            for one in inputs
        },
        tuple(AskedOutput(output.name, output.kind) for output in task.outputs),
    )


def _choice_of(facts: OnnxModel, asked: WeightsChoice | None) -> WeightsChoice:
    """Which network the file is of; where the user says something else, that."""
    assumed = facts.structured("weights_assumed")
    said = WeightsChoice(
        facts.metadata.get("weights_key"),
        facts.metadata.get("weights_prefix"),
        tuple(assumed.items()) if isinstance(assumed, dict) else (),
    )
    return said if asked is None or asked == WeightsChoice() else asked


def _found(facts: OnnxModel, named: str, expected: str) -> str:
    """The path of the weights: of the places where they may be the first that holds them."""
    manifest = facts.path.with_name(MANIFEST_NAME)
    typed = [read_manifest(manifest.parent).weights.source] if manifest.is_file() else []
    places = dict.fromkeys([*typed, str(facts.path.with_name(Path(named).name)), named])
    for place in places:
        if Path(place).exists() and weights_file_sha256(Path(place)) == expected:
            return place
    raise InputFileError(
        f"the weights of {shown(facts.path)}, of sha256 {expected[:16]}..., are not at "
        f"{' or '.join(map(shown, places))}",
        hint="say where they are with --weights",
    )


def preprocessing_of(facts: OnnxModel) -> Preprocessing | None:
    """As the file says: it may have been asked for otherwise than the weights say.

    Raises:
        InputFileError: it does not say, or what this release does not know.
    """
    if facts.task.first is not None and "preprocessing" not in facts.metadata:
        return None
    try:
        said = msgspec.convert(facts.structured("preprocessing"), PreprocessingFacts)
    except msgspec.ValidationError as error:
        raise InputFileError(
            f"{facts.path} does not say how its images are prepared: {error}"
        ) from error
    return said.by_this_release()
