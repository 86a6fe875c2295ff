"""What the record takes from pytest, and the commit that it names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.gpu_check import record
from benchmarks.gpu_check.record import Record, commit_at_hand

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest">
<testcase name="good"><properties>
<property name="row" value="{&quot;errors&quot;: 0}"/><property name="other" value="9"/>
</properties></testcase>
<testcase name="bad"><properties><property name="row" value="{not JSON"/></properties>
<failure message="one is not two">Traceback</failure></testcase>
<testcase name="broken"><error message="failed on setup">Traceback</error></testcase>
<testcase name="first"><skipped message="no GPU"/></testcase>
<testcase name="second"><skipped message="no GPU"/></testcase>
<testcase name="fallen"><skipped message="no floor"/><error message="teardown"/></testcase>
</testsuite></testsuites>
"""


def test_tests_are_counted_by_how_they_ended(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    junit.write_text(JUNIT)
    assert record.tests_of(junit) == {
        "passed": 1,
        "failed": 3,
        "skipped": 2,
        "failures": ["bad: one is not two", "broken: failed on setup", "fallen: teardown"],
        "skips": ["no GPU"],
        "rows": [{"errors": 0}, {"unreadable": "{not JSON"}],
    }


def test_pytest_that_did_not_come_to_an_end_has_no_counts(tmp_path: Path) -> None:
    junit = tmp_path / "junit.xml"
    assert record.tests_of(junit) is None
    junit.write_text(JUNIT[: len(JUNIT) // 2])
    assert record.tests_of(junit) is None


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_commit_is_that_of_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    git(checkout, "init", "--quiet")
    (checkout / "kernel.cu").write_text("// 1\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "--quiet", "-m", "first")
    monkeypatch.setattr(record, "_ROOT", checkout)
    first = commit_at_hand(None)
    assert git(checkout, "rev-parse", "HEAD").startswith(first)
    assert len(first) == 12
    changed = set()
    for text in ("// 2\n", "// 3\n"):  # two states of the files are two versions
        (checkout / "kernel.cu").write_text(text)
        assert commit_at_hand(None).startswith(f"{first}+")
        changed.add(commit_at_hand(None))
    assert len(changed) == 2


def test_prebuilt_libraries_name_their_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "_ROOT", tmp_path)
    assert commit_at_hand(None) == commit_at_hand(tmp_path) == "unknown"
    (tmp_path / "commit").write_text("0123456789ab\n")
    assert commit_at_hand(tmp_path) == "0123456789ab"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_at_hand(None) == "unknown"


def test_only_what_passed_with_the_same_code_is_kept(tmp_path: Path) -> None:
    def at(commit: str) -> Record:
        about = {"commit": commit, "command": "check", "rehearsal": False}
        return Record(tmp_path / "keep", tmp_path / "work", about)

    first = at("abc")
    for status in ("passed", "failed", "skipped", "timeout", "stopped"):
        first.keep(status, {"status": status, "commands": {}})
    again, other = at("abc"), at("def")
    passed = {name: again.has_passed(name) for name in (*first.value["parts"], "never")}
    assert passed == dict.fromkeys(passed, False) | {"passed": True}
    assert not other.has_passed("passed")
    assert set(other.value["parts"]) == set(first.value["parts"])
