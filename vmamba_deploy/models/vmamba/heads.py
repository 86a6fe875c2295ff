"""The names that training scripts give to the classifier's last layer. Imports nothing heavy."""

from __future__ import annotations

import re
from collections.abc import Iterable

HEAD = r"(?:classifier|head|cls_head|fc)\.(?:(?:classifier|head|fc|layers|\d+)\.)*(weight|bias)$"
"""A linear layer, alone or in a Sequential; the group is what of it."""

_IN_A_SEQUENTIAL = re.compile(rf"^(?={HEAD}).*\.\d+\.\w+$")


def sequential_heads(names: Iterable[str]) -> list[str]:
    """Those names that are of a head inside a Sequential, where weightless layers may precede."""
    return [name for name in names if _IN_A_SEQUENTIAL.match(name)]
