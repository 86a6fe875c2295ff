"""Our JSON: lines of `--json`, and report.json and evaluation.json, which hold to their types."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from vmamba_deploy.artifacts.atomic import atomic_write

_NO_TEXT = re.compile("[\ud800-\udfff]")


def plain(document: Any) -> Any:
    """JSON's own values: lists for tuples, text for paths, null for a figure that is not finite.

    A byte of a file name that is no UTF-8 is written out, as in messages: no JSON can hold it.
    """
    values = msgspec.to_builtins(document, enc_hook=os.fspath)
    text = json.dumps(values, ensure_ascii=False)
    readable = _NO_TEXT.sub(lambda found: rf"\\x{ord(found[0]) & 0xFF:02x}", text)
    return json.loads(readable, parse_constant=lambda _name: None)


def write_json(document: Any, path: Path) -> None:
    """Write a `Report` or the document of an evaluation.

    Raises:
        ValueError: it holds what its types do not allow.
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    msgspec.convert(msgspec.to_builtins(document), type(document))
    text = json.dumps(plain(document), indent=2, ensure_ascii=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
