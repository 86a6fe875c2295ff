"""Every family of networks. A new one is a folder beside `vmamba` and a line in `FAMILIES`.

Imports nothing heavy.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.family import Family, Preset
from vmamba_deploy.models.vmamba.family import VMAMBA

FAMILIES: Mapping[str, Family[Any]] = {family.name: family for family in (VMAMBA,)}


def resolve_preset(name: str) -> Preset[Any]:
    """Return the preset of that full name or alias (`t`, `s`, `b`); case does not matter.

    Raises:
        UsageError: no preset has that name; the hint gives the closest names.
    """
    wanted = name.strip().lower().replace("-", "_")
    aliases = {short: full for each in FAMILIES.values() for short, full in each.aliases.items()}
    presets = {full: preset for each in FAMILIES.values() for full, preset in each.presets.items()}
    preset = presets.get(aliases.get(wanted, wanted))
    if preset is not None:
        return preset
    close = difflib.get_close_matches(wanted, [*presets, *aliases], n=3, cutoff=0.4)
    every = f"The presets are {', '.join(presets)}; aliases {', '.join(aliases)}."
    hint = f"Did you mean {' or '.join(close)}? {every}" if close else every
    raise UsageError(f"There is no preset named '{name}'.", hint=hint)


def family_of(preset: Preset[Any]) -> Family[Any]:
    """The family that a preset is one of."""
    return next(each for each in FAMILIES.values() if preset.name in each.presets)
