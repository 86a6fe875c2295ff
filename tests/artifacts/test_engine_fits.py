"""Where an engine can run: tests/data/engine_fits.json. The C++ reader is held to the same table in
tests/samples/cpp/test_folders.py."""

import json
from pathlib import Path

import msgspec
import pytest

from tests.artifacts.test_manifest import ENGINE
from vmamba_deploy.artifacts.engine_facts import EngineFacts

ROWS = json.loads((Path(__file__).parents[1] / "data" / "engine_fits.json").read_text())


def facts(row):
    return msgspec.convert(ENGINE | row["engine"], EngineFacts)


@pytest.mark.parametrize("row", ROWS)
def test_an_engine_runs_where_the_table_says(row):
    machine = {key: row[key] for key in ("flavour", "version", "compute_capability")}
    assert facts(row).fits(**machine) == row["reason"]


def test_what_is_not_asked_does_not_matter():
    for row in ROWS:
        assert facts(row).fits() is None
        asked = [facts(row).fits(**{key: row[key]}) for key in ("flavour", "version")]
        asked.append(facts(row).fits(compute_capability=row["compute_capability"]))
        assert row["reason"] in (asked if row["reason"] else [None])


def test_an_engine_that_was_not_built_runs_nowhere():
    absent = EngineFacts(built=False, reason="--no-engine")
    assert absent.fits(flavour="tensorrt") == "this folder has no engine: --no-engine"
