"""What each of several processes does: it imports little, for it is started eight times."""

from __future__ import annotations

from pathlib import Path

from tests.artifacts.publishing import publish
from tests.faults.killed_writers import in_place, without_exchange
from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.errors import ResourceError

TIMES = 3


def content(word: str) -> dict[str, bytes]:
    return {name: word.encode() * 5000 for name in ("model.onnx", "model.engine")}


def write_folder(way: str, target: Path, number: int) -> None:
    {"in place": in_place, "without exchange": without_exchange}.get(way, lambda: None)()
    done = 0
    while done < TIMES:
        try:
            publish(target, content(f"{number}-{done}."))
        except ResourceError:  # another was first
            continue
        done += 1


def write_file(_way: str, target: Path, number: int) -> None:
    for time in range(TIMES):
        with atomic_write(target) as temporary:
            temporary.write_bytes(f"{number}-{time}.".encode() * 5000)
