"""The names of the classes in an export: the user's, else those that the weights bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.loading import RANDOM
from vmamba_deploy.models.origin import name_classes
from vmamba_deploy.tasks import FEATURES
from vmamba_deploy.tasks.custom import CUSTOM

if TYPE_CHECKING:
    from vmamba_deploy.models import LoadedModel
    from vmamba_deploy.pipeline.events import Steps
    from vmamba_deploy.pipeline.plan import ExportPlan


def name_as_planned(loaded: LoadedModel, plan: ExportPlan, steps: Steps) -> None:
    """Give the network the names that the plan has; warn where nobody named its classes.

    Random weights without names are no reason for a warning: they predict nothing.

    Raises:
        UsageError: there are not as many names as classes, or no classes.
    """
    model, count = loaded.model, loaded.model.classes
    tells_classes = plan.task != FEATURES.name and count is not None
    if plan.labels is None:
        unnamed = tells_classes and model.class_labels is None and model.tasks[0] != CUSTOM
        if unnamed and plan.weights != RANDOM:
            steps.warn(
                f"nothing names the {count:,} classes, so predictions show their numbers: "
                f"{_remedy(loaded)}"
            )
        return
    given = len(plan.labels.names)
    if not tells_classes:
        hint = "leave --labels out"
        if model.tasks[0] == CUSTOM:
            hint += ", or say which output is logits: --outputs NAME:logits"
        raise UsageError(
            f"{given:,} labels were given, and no output tells classes apart", hint=hint
        )
    if given != count:
        raise UsageError(
            f"{given:,} labels were given for {count:,} classes",
            hint="give one name for each class, class 0 first",
        )
    name_classes(model, plan.labels)


def _remedy(loaded: LoadedModel) -> str:
    data_set = loaded.origin.names_to_install if loaded.origin is not None else None
    if data_set is None:
        return "name them with --labels FILE"
    return f"{data_set}'s come with pip install 'vmamba-deploy[labels]'"
