"""The dialects, each loaded once for a worker and handed out as copies."""

from __future__ import annotations

import copy
from functools import cache

import pytest

from tests.adapting.dialect import NAMES, Dialect, load
from vmamba_deploy.adapting import adapt


@cache
def _loaded(name: str) -> Dialect:
    return load(name)


def fresh(name: str) -> Dialect:
    """A copy that a test may adapt and change."""
    one = _loaded(name)
    return Dialect(one.name, copy.deepcopy(one.network), one.example.clone())


@cache
def _adapted(name: str) -> Dialect:
    one = fresh(name)
    adapt(one.network)
    return one


def adapted(name: str) -> Dialect:
    """A copy that is adapted, and that a test may change."""
    one = _adapted(name)
    return Dialect(one.name, copy.deepcopy(one.network), one.example.clone())


@pytest.fixture(params=NAMES)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """Each of the dialects."""
    return fresh(request.param)
