"""The manifest: any bytes, or a sound manifest with some of its values changed; then its use.

An input that begins with `e` is a list of changes: which value, and which strange one it becomes.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import atheris

from tests.fuzz.reader import fuzz
from vmamba_deploy.errors import IntegrityError, UsageError

with atheris.instrument_imports(include=["vmamba_deploy.artifacts", "vmamba_deploy.preprocessing"]):
    from vmamba_deploy.artifacts.manifest import MANIFEST_NAME, Manifest, read_manifest
    from vmamba_deploy.artifacts.verification import verify

_SOUND = Path(__file__).parents[1] / "data" / "manifests" / "engine.json"
_DELETED = object()
_STRANGE: tuple[Any, ...] = (
    *(_DELETED, None, True, 0, -1, 1, 3, 2**31, 2**63, 10**400, 1e308, 1e-320, -0.0, 0.5),
    *("", "x", "1", "../x", "/etc/passwd", "a/b", "a" * 5000, "\x1b[2J", "\ud800", "\u202e", "NaN"),
    *("float32", "uint8", "tensorrt", "batch", [], [0], [[]], [3, 3], ["a", "a"], {}, {"": 0}),
)


def read(data: bytes, folder: Path) -> None:
    content = _changed(data[1:]) if data[:1] == b"e" else data
    (folder / MANIFEST_NAME).write_bytes(content)
    manifest = read_manifest(folder)
    _use(manifest, folder)
    verify(folder, flavour="tensorrt_rtx", version="1.7.1.116", compute_capability="8.6")


def _use(manifest: Manifest, folder: Path) -> None:
    """What passed can be used: by those who refuse what they do not know, or by everyone."""
    json.dumps(manifest.as_json())
    try:
        manifest.require_classifier(folder)
    except UsageError:
        return
    assert manifest.classes > 0
    assert manifest.labels is None or len(manifest.labels) == manifest.classes
    try:
        preprocessing = manifest.preprocessing.by_this_release()
    except IntegrityError:
        return
    assert min(preprocessing.std) > 0
    assert min(preprocessing.crop_pixels) > 0


def _changed(edits: bytes) -> bytes:
    document = json.loads(_SOUND.read_text())
    for where, what in zip(edits[::2], edits[1::2], strict=False):
        places = list(_places(document))
        if not places:
            break
        holder, key = places[where % len(places)]
        strange = _STRANGE[what % len(_STRANGE)]
        if strange is _DELETED:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(strange)
    return json.dumps(document).encode()


def _places(value: Any) -> Any:
    """Every container of a document with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


if __name__ == "__main__":
    fuzz(read)
