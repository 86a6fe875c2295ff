"""What a run leaves: one JSON file and one archive of logs, whole after every part."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.atomic import atomic_write

Json = dict[str, Any]
SCHEMA_VERSION = 2
RECORD_NAME, LOGS_NAME = "gpu_check.json", "logs.tgz"
_ROOT = Path(__file__).resolve().parents[2]


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that appears whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value, indent=1) + "\n")


class Record:
    """The record of a run in its folder: of each part its latest run, with the commit of its code.

    Args:
        folder: where the two files lie.
        work: where the logs of the commands lie.
        about: what else the record says: `commit`, `command`, `rehearsal`.
    """

    def __init__(self, folder: Path, work: Path, about: Json) -> None:
        self.path, self._work = folder / RECORD_NAME, work
        self._logs = folder / LOGS_NAME
        fresh = {"schema_version": SCHEMA_VERSION, "parts": {}}
        self.value = (_earlier(self.path, about) or fresh) | about

    def has_passed(self, part: str) -> bool:
        """Whether an earlier call has done it with the same code."""
        entry = self.value["parts"].get(part, {})
        same = entry.get("commit") == self.value["commit"]
        return bool(same and entry.get("status") == "passed")

    def keep(self, part: str, entry: Json) -> None:
        """Put a part into the record and bring both files up to date."""
        self.value["parts"][part] = entry | {"commit": self.value["commit"]}
        self.save()

    def save(self) -> None:
        """Write both files, each whole."""
        write_json(self.path, self.value)
        with atomic_write(self._logs) as partial, tarfile.open(partial, "w:gz") as archive:
            for file in self._kept_files():
                archive.add(file, f"logs/{file.name}", recursive=False)

    def _kept_files(self) -> Iterator[Path]:
        """What the commands of the record have left; no files of another run."""
        for entry in self.value["parts"].values():
            for command in entry["commands"]:
                for kind in ("log", "xml", "json"):
                    file = self._work / f"{command}.{kind}"
                    if file.is_file():
                        yield file


def _earlier(path: Path, about: Json) -> Json | None:
    """The record of an earlier call, if it is one of the same kind of run."""
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text())
    except ValueError:
        record = None  # a file of another program: a new record takes its place
    if not isinstance(record, dict):
        return None
    wanted = {"schema_version": SCHEMA_VERSION, "rehearsal": about["rehearsal"]}
    return record if all(record.get(key) == value for key, value in wanted.items()) else None


def commit_at_hand(prebuilt: Path | None) -> str:
    """The commit of the sources: of the prebuilt libraries, or git's.

    Where files were changed since, `+` and a hash of the changes follow.
    """
    if prebuilt is not None and (prebuilt / "commit").is_file():
        return (prebuilt / "commit").read_text().strip()
    commit = _git("describe", "--always", "--dirty=+", "--abbrev=12").decode().strip()
    if commit.endswith("+"):
        commit += hashlib.sha256(_git("diff", "HEAD")).hexdigest()[:8]
    return commit or "unknown"


def _git(*arguments: str) -> bytes:
    """What git prints; nothing outside of a checkout or without git."""
    try:
        command = ["git", "-C", str(_ROOT), *arguments]
        return subprocess.run(command, capture_output=True, check=False).stdout
    except FileNotFoundError:
        return b""


def tests_of(junit: Path) -> Json | None:
    """Counts of a pytest run, its failures, why tests were skipped, and the rows they recorded.

    A test gives a row with `record_property("row", <JSON>)`. None without a whole file: pytest did
    not come to an end.
    """
    try:
        cases = list(ET.parse(junit).iter("testcase"))
    except (FileNotFoundError, ET.ParseError):
        return None
    counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
    rows: list[Json] = []
    failures: list[str] = []
    skips: list[str] = []
    for case in cases:
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        skip = case.find("skipped")
        if wrong is not None:
            counts["failed"] += 1
            failures.append(f"{case.get('name')}: {wrong.get('message', '')}"[:500])
        elif skip is not None:
            counts["skipped"] += 1
            skips.append(skip.get("message", ""))
        else:
            counts["passed"] += 1
        rows += [
            _row(each.get("value", ""))
            for each in case.iter("property")
            if each.get("name") == "row"
        ]
    return {**counts, "failures": failures, "skips": sorted(set(skips)), "rows": rows}


def _row(text: str) -> Json:
    try:
        row: Json = json.loads(text)
    except ValueError:
        return {"unreadable": text}
    return row
