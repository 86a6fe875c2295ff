"""What several tests need and is slow to make: made once for all workers of a run."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from vmamba_deploy.native.layout import cache_folder

_DAYS = 7


def kept(place: Path, key: object, make: Callable[[Path], object], suffix: str = "") -> Path:
    """The file or folder that `make` writes for a key, made where it is not there yet.

    Args:
        place: the folder for things of this kind.
        key: of what JSON can hold, or paths: all that the result depends on.
        make: writes it at the path that it is given, or raises.
        suffix: of the path.
    """
    name = hashlib.sha256(json.dumps(key, default=str).encode()).hexdigest()[:20]
    path, whole = place / f"{name}{suffix}", place / f".{name}.whole"
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / f".{name}.making"):
        if not whole.exists():
            _remove(path)
            make(path)
        whole.touch()
    return path


def kept_for_later_runs(kind: str) -> Path:
    """A folder for `kept` that outlives the run: keys must name sources, options and tools.

    What no run has used for a week is removed.
    """
    place = cache_folder() / "tests" / kind
    for whole in place.glob(".*.whole"):
        if time.time() - whole.stat().st_mtime > _DAYS * 86400:
            whole.unlink(missing_ok=True)
            for path in place.glob(f"{whole.stem[1:]}*"):
                _remove(path)
    return place


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
