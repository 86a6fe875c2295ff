"""The tables of `vmamba-deploy bench`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmamba_deploy.cli.summary import table
from vmamba_deploy.reports.columns import digits

if TYPE_CHECKING:
    from rich.table import Table

    from vmamba_deploy.runtimes.profiles import Profile
    from vmamba_deploy.timing.latencies import Latency


_SHOWN = 10


def latency_table(latencies: Sequence[Latency]) -> Table:
    """One row a runtime and batch size."""
    streams = latencies[0].streams
    side_by_side = f", {streams} streams side by side" if streams > 1 else ""
    drawn = table(
        f"\nLatency in ms{side_by_side}",
        *("runtime", ">batch", ">calls"),
        *(">p50", ">p90", ">p99", ">mean", ">min", ">images/s", ">speed-up"),
    )
    for row in latencies:
        times = row.times
        figures = (times.p50_ms, times.p90_ms, times.p99_ms, times.mean_ms, times.min_ms)
        drawn.add_row(
            row.runtime,
            str(row.batch),
            str(times.calls),
            *map(digits, (*figures, row.images_per_second)),
            f"{digits(row.speedup)}x",
        )
    return drawn


def profile_tables(profile: Profile) -> list[Table]:
    """Where the time of a call goes: by kind of node, and the slowest nodes."""
    title = f"\n{profile.runtime} at batch {profile.batch}, {digits(profile.total_ms)} ms in nodes"
    kinds = table(title, "kind", ">nodes", ">ms", ">share")
    for kind in profile.kinds[:_SHOWN]:
        share = f"{profile.share(kind.ms):.1%}"
        kinds.add_row(kind.kind, str(kind.nodes), digits(kind.ms), share)
    nodes = table("\nits slowest nodes", "node", "kind", ">ms", ">share")
    for node in profile.slowest[:_SHOWN]:
        nodes.add_row(node.name, node.kind, digits(node.ms), f"{profile.share(node.ms):.1%}")
    return [kinds, nodes]
