"""A network with seeded random weights."""

from __future__ import annotations

from dataclasses import replace

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.vmamba.initialization import initialize
from vmamba_deploy.models.vmamba.network import VMamba, empty_network
from vmamba_deploy.models.vmamba.presets import resolve_preset


def create_model(preset: str, num_classes: int = 1000, seed: int = 0) -> VMamba:
    """Create a preset's network with random weights, in eval mode, float32, on the CPU.

    Args:
        preset: name or alias of a preset.
        num_classes: features of the head, at least 1.
        seed: the weights depend on it alone; the global random state is left as it is.

    Raises:
        UsageError: unknown preset, or num_classes below 1.
    """
    chosen = resolve_preset(preset)
    if num_classes < 1:
        raise UsageError(f"num_classes must be at least 1; got {num_classes}.")
    model = empty_network(replace(chosen.config, num_classes=num_classes))
    model.preset_name = chosen.name
    initialize(model, seed)
    return model
