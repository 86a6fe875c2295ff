"""The body of `vmamba::SelectiveScan2D`: that of `vmamba::SelectiveScan` along all four routes."""

from __future__ import annotations

from collections.abc import Mapping

from vmamba_deploy.ops.selective_scan.body import scan_body


def body(sizes: Mapping[str, int]) -> str:
    """The op's definition, true to docs/selective_scan_2d.md.

    Args:
        sizes: `N` of every node of the model that will carry it, when it is known: 1 gives a body
            with a far shorter loop, which is only true for N = 1. Else the body is for every N.
    """
    return scan_body("[0, 1, 2, 3]", {**sizes, "step_per_channel": 0})
