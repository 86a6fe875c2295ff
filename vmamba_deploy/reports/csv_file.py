"""predictions.csv: one row an image."""

from __future__ import annotations

import csv
from pathlib import Path

from vmamba_deploy.artifacts.atomic import atomic_write
from vmamba_deploy.evaluation.scorer import Table
from vmamba_deploy.files import readable


def write_csv(table: Table, path: Path) -> None:
    """Write a table with its column names, whole or not at all; what is not known is empty.

    Raises:
        ResourceError, UsageError: the disk is full, or the place not writable.
    """
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        for row in table.rows:
            writer.writerow([readable(one) if isinstance(one, str) else one for one in row])
