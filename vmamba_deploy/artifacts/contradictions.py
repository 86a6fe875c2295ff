"""What the fields of a manifest, each well formed by itself, must not say together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET

from vmamba_deploy.tasks import CLASSIFICATION, FEATURES, TASKS
from vmamba_deploy.tasks.custom import CUSTOM

if TYPE_CHECKING:
    from vmamba_deploy.artifacts.manifest import Description


def fault_of(described: Description) -> str | None:
    """Why nobody could use what is described; None when nothing contradicts anything else."""
    checks = (_interface, _profile, _input, _other_inputs, _outputs, _classes)
    return next((fault for check in checks if (fault := check(described)) is not None), None)


def _interface(described: Description) -> str | None:
    """Why a user's network is not described as one; None when it is, or it is no such network."""
    if (described.task == CUSTOM) != (described.interface is not None):
        return f"`interface` goes with the task {CUSTOM} alone"
    if described.interface is not None:
        try:
            described.interface.task(described.onnx.inputs, described.onnx.outputs)
        except ValueError as error:
            return str(error)
    return None


def _profile(described: Description) -> str | None:
    """Why the engine's profile is not of the first input; None when it is, or there is none."""
    profile, first = described.engine.profile, described.onnx.inputs[0]
    if profile is not None and len(profile.min) != len(first.shape):
        return f"a profile has {len(first.shape)} sides each, as {first.name} has"
    return None


def _input(described: Description) -> str | None:
    """Why images prepared as described would not be what the network takes; None when they are."""
    image, prepared = described.onnx.inputs[0], described.preprocessing
    if prepared is None:
        return None if described.task == CUSTOM else "nothing says how images are prepared"
    taken = {True: "uint8", False: "float32"}[prepared.normalisation_in_graph]
    if image.dtype != taken or len(image.shape) != 4:
        return f"the first input must be four-dimensional and {taken}"
    channels = len(prepared.mean)
    # Pictures that have to fit have sizes of their own, unless all are padded to one frame.
    alike = prepared.fit is UNSET or prepared.fixed is True
    crop = prepared.crop_pixels if alike else ("any", "any")
    given = (*crop, channels) if prepared.normalisation_in_graph else (channels, *crop)
    for side, expected in zip(image.shape[1:], given, strict=True):
        if isinstance(side, int) and side != expected:
            return f"the input takes {list(image.shape[1:])}, the preprocessing gives {list(given)}"
    return None


def _outputs(described: Description) -> str | None:
    """Why the outputs are not those of the task; None when they are, or it is unknown."""
    if (task := TASKS.get(described.task)) is None:
        return None
    given = described.onnx.outputs
    if (named := task.with_outputs([output.name for output in given])) is None:
        return f"the outputs of {task.name} are {', '.join(task.output_names)}"
    for output, wanted in zip(given, named.outputs, strict=True):
        if len(output.shape) != len(wanted.shape):
            return f"the output {output.name} must have {len(wanted.shape)} axes"
        floats = output.dtype.startswith("float") and wanted.dtype.startswith("float")
        if output.dtype != wanted.dtype and not floats:
            return f"the output {output.name} must be {wanted.dtype}"
    if task is CLASSIFICATION and not isinstance(given[0].shape[-1], int):
        return "the number of classes must be known"
    return None


def _other_inputs(described: Description) -> str | None:
    """Why the inputs beside the image are not those of the task; None when they are."""
    if (task := TASKS.get(described.task)) is None:
        return None
    given = [(each.name, each.dtype, len(each.shape)) for each in described.onnx.inputs[1:]]
    wanted = [(each.name, each.dtype, len(each.shape)) for each in task.inputs]
    if given == wanted:
        return None
    names = ", ".join(each.name for each in task.inputs) or "nothing"
    return f"beside the image {task.name} takes {names}"


def _classes(described: Description) -> str | None:
    """Why labels and palette are not one a class; None when they are, or nobody counts classes."""
    if described.palette is not None and any(len(colour) != 3 for colour in described.palette):
        return "a colour is red, green and blue"
    if described.task == CLASSIFICATION.name:
        classes: int | str | None = described.onnx.outputs[0].shape[-1]
    else:
        classes = described.num_classes if described.task != FEATURES.name else None
    if isinstance(classes, int) and (task := TASKS.get(described.task)) is not None:
        classes = task.classes(classes)
    for what, listed in (("labels", described.labels), ("colours", described.palette)):
        if listed is not None and classes is not None and len(listed) != classes:
            return f"there are {len(listed)} {what} for {classes} classes"
    return None
