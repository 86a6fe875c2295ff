"""What `routes` of SelectiveScan may be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from vmamba_deploy.ops.selective_scan.specification import ALL_ROUTES, MAX_ROUTES


def every_list_of_routes() -> Iterator[tuple[int, ...]]:
    """All 340 of them."""
    for count in range(1, MAX_ROUTES + 1):
        yield from product(ALL_ROUTES, repeat=count)
