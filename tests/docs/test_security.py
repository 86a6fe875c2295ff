"""SECURITY.md states the limits that the code has."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parents[2] / "SECURITY.md"
UNITS = {"": 1, " bytes": 1, " MiB": 1 << 20, " GiB": 1 << 30}


def test_each_limit_is_that_of_the_code() -> None:
    rows = re.findall(r"\| ([\d,]+)( \w+)? \| `([\w.]+)\.(\w+)` \|", PAGE.read_text())
    assert len(rows) > 20
    for number, unit, module, name in rows:
        limit = getattr(import_module(f"vmamba_deploy.{module}"), name)
        assert limit == int(number.replace(",", "")) * UNITS[unit], name


def test_no_limit_of_checkpoints_is_left_out() -> None:
    limits = import_module("vmamba_deploy.models.checkpoints.limits")
    names = {name for name in vars(limits) if name.startswith("MAX_")}
    assert names <= set(re.findall(r"\.(MAX_\w+)`", PAGE.read_text()))
