"""The first step of an export: the network with the weights that the plan names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vmamba_deploy import native
from vmamba_deploy.models import load_weights
from vmamba_deploy.models.loading import RANDOM
from vmamba_deploy.ops.torch_registration import LIBRARY as TORCH_LIBRARY
from vmamba_deploy.pipeline.class_names import name_as_planned
from vmamba_deploy.user_network.loading import UserWeights, load_user_network

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.pipeline.events import Steps
    from vmamba_deploy.pipeline.plan import ExportPlan


def find_operators(steps: Steps) -> None:
    """What a network of a user's may call when it is built."""
    with steps.step("operators", "finding PyTorch's operators") as told:
        told.append(native.library_path(TORCH_LIBRARY, progress=steps.progress).name)


def load_planned(plan: ExportPlan, steps: Steps) -> LoadedModel:
    """Load the weights, or build the user's network; its classes get their names.

    Raises:
        VmambaError: see `load_weights`, `load_user_network` and `name_as_planned`.
    """
    with steps.step("weights", f"loading the weights ({plan.weights})") as told:
        loaded = _loaded(plan, steps)
        told += _described(loaded, plan)
    for note in loaded.origin.notes if loaded.origin is not None else ():
        steps.warn(note)
    name_as_planned(loaded, plan, steps)
    if plan.weights == RANDOM:
        steps.warn("the weights are random: the files are good for tests, not for predictions")
    return loaded


def _loaded(plan: ExportPlan, steps: Steps) -> LoadedModel:
    def on_download(received: int, total: int | None) -> None:
        steps.progress("downloading the weights", received / total if total else None)

    if plan.network is not None:
        return load_user_network(
            plan.network.network,
            plan.network.interface,
            UserWeights(plan.weights, plan.choice, plan.seed),
            plan.preprocessing,
            warn=steps.warn,
            progress=on_download,
        )
    return load_weights(
        plan.weights,
        preset=plan.model,
        task=plan.task,
        num_classes=plan.num_classes,
        seed=plan.seed,
        choice=plan.choice,
        progress=on_download,
    )


def _described(loaded: LoadedModel, plan: ExportPlan) -> Iterator[str]:
    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    yield loaded.preset_name or "custom architecture"
    yield loaded.source
    yield f"{parameters:,} parameters"
    yield f"architecture {loaded.architecture}"
    trained_at = loaded.origin.image_size if loaded.origin is not None else None
    if trained_at is not None and plan.image_size is None:
        yield f"images of {trained_at[0]}x{trained_at[1]}, as the weights say"
