"""Every family of networks. A new one is a folder beside `vmamba` and a line in `FAMILIES`.

Imports nothing heavy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from vmamba_deploy.errors import UsageError
from vmamba_deploy.models.dense.families import CASCADE_MASK_RCNN, MASK_RCNN, UPERNET
from vmamba_deploy.models.family import Family, Preset
from vmamba_deploy.models.vim.family import VIM
from vmamba_deploy.models.vmamba.family import VMAMBA
from vmamba_deploy.models.vmunet.family import VMUNET

FAMILIES: Mapping[str, Family[Any]] = {
    family.name: family for family in (VMAMBA, UPERNET, MASK_RCNN, CASCADE_MASK_RCNN, VMUNET, VIM)
}


def families_told_by(names: Iterable[str]) -> tuple[Family[Any], ...]:
    """The families whose anchor is in the names of a file's weights.

    Those that contain another, where there are such: the other's names are among theirs.
    """
    names = list(names)
    told = [
        family
        for family in FAMILIES.values()
        if family.anchor is not None and any(map(family.anchor.search, names))
    ]
    containing = [family for family in told if family.contains is not None]
    return tuple(containing or told)


def resolve_preset(name: str, task: str | None = None) -> Preset[Any]:
    """Return the preset of that full name or alias (`t`, `s`, `b`); case does not matter.

    Args:
        name: of a preset; where its networks cannot do the task, the first family that can has a
            preset over it.
        task: what it shall be for, a name of `vmamba_deploy.tasks.TASKS`; None: whatever it can.

    Raises:
        UsageError: no preset has that name, the hint gives the closest names; or none for the task.
    """
    preset = _named_preset(name)
    if task is None or task in family_of(preset).tasks:
        return preset
    able = (family for family in FAMILIES.values() if task in family.tasks)
    found = next((over for family in able if (over := family.over(preset))), None)
    if found is None:
        raise UsageError(f"No preset over '{preset.name}' can do the task {task}.")
    return found


def _named_preset(name: str) -> Preset[Any]:
    wanted = name.strip().lower().replace("-", "_")
    aliases = {short: full for each in FAMILIES.values() for short, full in each.aliases.items()}
    presets = {full: preset for each in FAMILIES.values() for full, preset in each.presets.items()}
    preset = presets.get(aliases.get(wanted, wanted))
    if preset is not None:
        return preset
    close = difflib.get_close_matches(wanted, [*presets, *aliases], n=3, cutoff=0.4)
    alone = [full for each in FAMILIES.values() if each.parts is None for full in each.presets]
    every = (
        f"The presets are {', '.join(alone)}; aliases {', '.join(aliases)}; with --task "
        "segmentation or detection those of VMamba are the backbone."
    )
    hint = f"Did you mean {' or '.join(close)}? {every}" if close else every
    raise UsageError(f"There is no preset named '{name}'.", hint=hint)


def family_of(preset: Preset[Any]) -> Family[Any]:
    """The family that a preset is one of."""
    return next(each for each in FAMILIES.values() if preset.name in each.presets)
