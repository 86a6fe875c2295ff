"""One JSON file of results."""

from __future__ import annotations

import json
from pathlib import Path

from vmamba_deploy.artifacts.atomic import atomic_write


def write_json(path: Path, value: object) -> None:
    """Write a file that appears whole or not at all."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(value, indent=1) + "\n")
