"""Our JSON: lines of `--json`, and report.json and evaluation.json, which hold to their types."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.atomic import atomic_write


def plain(document: Any) -> Any:
    """JSON's own values: lists for tuples, text for paths, null for a figure that is not finite."""
    values = msgspec.to_builtins(document, enc_hook=os.fspath)
    return json.loads(json.dumps(values), parse_constant=lambda _name: None)


def write_json(document: Any, path: Path) -> None:
    """Write a `Report` or an `EvaluationDocument`.

    Raises:
        ValueError: it holds what its types do not allow.
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    msgspec.convert(msgspec.to_builtins(document), type(document))
    text = json.dumps(plain(document), indent=2, ensure_ascii=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
