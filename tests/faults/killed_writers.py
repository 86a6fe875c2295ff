"""Publishes a folder again and again, each time killed one step later; prints what each left.

`python -m tests.faults.killed_writers WAY FOLDER`, a process of its own, for it forks. A step is
whatever Python tells an audit hook of: opening, renaming, removing, making folders.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from tests.artifacts.publishing import publish, visible
from vmamba_deploy.artifacts import rename
from vmamba_deploy.artifacts.verification import verify
from vmamba_deploy.errors import VmambaError

OLD = {"model.onnx": b"old", "gone.txt": b"old"}
NEW = {"model.onnx": b"new", "added.txt": b"new"}


def without_exchange() -> None:
    rename.exchange = lambda first, second: False


def in_place() -> None:
    os.path.ismount = lambda path: True


WAYS: dict[str, Callable[[], None]] = {
    "at once": lambda: None,
    "without an exchanging rename": without_exchange,
    "in place": in_place,
}


def killed_at(step: int, target: Path) -> bool:
    """Publish in a child that is killed at a step; whether it came that far."""
    child = os.fork()
    if child == 0:
        steps = count(1)

        def hook(event: str, _arguments: object) -> None:
            told = event == "open" or event.startswith(("os.", "shutil."))
            if told and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        publish(target, NEW)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def content_of(target: Path) -> str:
    """`absent`, `refused`, or the one word that all files of a folder that verifies hold."""
    if not target.exists():
        return "absent"
    try:
        manifest = verify(target)
    except VmambaError:
        return "refused"
    (word,) = {(target / name).read_text() for name in manifest.files}
    expected = OLD if word == "old" else NEW
    assert set(manifest.files) == set(expected)
    return word


def main(way: str, folder: Path) -> None:
    WAYS[way]()
    for step in count(1):
        place = folder / str(step)
        publish(place / "out", OLD)
        killed = killed_at(step, place / "out")
        left = content_of(place / "out")
        publish(place / "out", NEW)
        repaired = content_of(place / "out")
        names = [*visible(place), *visible(place / "out")]
        line = {"left": left, "repaired": repaired, "names": names}
        sys.stdout.write(json.dumps(line) + "\n")
        if not killed:
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
