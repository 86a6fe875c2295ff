"""The forms of the general scan are timed as what they are, beside another build."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import scan_forms
from benchmarks.__main__ import main
from benchmarks.c_interface import load_native
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.ops.selective_scan.specification import ScanDims
from vmamba_deploy.testing import check_accuracy, random_case

DIMS = ScanDims(1, 1, 9, 8, 2, 3)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_forms, "SHAPES", (DIMS,))
    monkeypatch.setattr(scan_forms, "STRETCH_MS", 0.1)


def test_every_form_and_the_previous_build_are_timed() -> None:
    library = load_native("vmamba_cpu").path
    report = scan_forms.compare_forms(threads=1, rounds=3, previous=library)
    (row,) = report["shapes"]
    names = [*scan_forms.forms_of(DIMS), "four, previous"]
    assert list(row["times_ms"]) == names
    assert all(each["q25"] > 0 for each in row["times_ms"].values())
    assert row["to_four"]["four"]["median"] == 1
    shown = CliRunner().invoke(main, ["forms", "--rounds", "2"], catch_exceptions=False).output
    assert "D 8, 1 x 9, N 2, R 3" in shown
    assert "x four" in shown


def test_what_is_timed_computes_the_form() -> None:
    for form in scan_forms.forms_of(DIMS).values():
        y = scan_forms._arrays(form)[-1]
        y[:] = np.nan
        scan_forms._general_call(form, threads=1)()
        check_accuracy(y, random_case(form, seed=1).expected, 1)


def test_another_file_is_no_previous_build(tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_bytes(b"no library")
    with pytest.raises(EnvironmentProblem, match=r"lib\.so is no libvmamba_cpu\.so"):
        scan_forms.compare_forms(threads=1, rounds=2, previous=tmp_path / "lib.so")
