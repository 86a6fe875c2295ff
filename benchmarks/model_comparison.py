"""Whole-network latency: every runtime that this machine has, interleaved in one run.

Only ratios within one run mean anything on a shared machine; they are taken within each round, and
their spread is the interquartile range.
"""

from __future__ import annotations

from typing import Any

from benchmarks.competitors import COMPETITORS, YARDSTICK, chosen_competitors
from benchmarks.entrants import Absent, Entrants
from benchmarks.interleaving import Call, interleave, machine_text, quartiles
from vmamba_deploy.errors import VmambaError
from vmamba_deploy.models.presets import resolve_preset


def compare_model(entrants: Entrants, rounds: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Median and quartiles of each competitor, and of its ratio to eager PyTorch in each round."""
    import torch

    torch.set_num_threads(entrants.threads)
    calls: dict[str, Call] = {}
    absent: dict[str, str] = {}
    for name in chosen_competitors(entrants.device, names):
        try:
            calls[name] = COMPETITORS[name].enter(entrants)
        except Absent as reason:
            absent[name] = str(reason)
        except VmambaError as error:
            absent[name] = error.message
    times = interleave(calls, rounds)
    entrants.close()
    return {
        "schema_version": 1,
        "machine": machine_text(),
        "preset": resolve_preset(entrants.preset).name,
        "batch": entrants.batch,
        "image_side": entrants.image_side,
        "threads": entrants.threads,
        "device": entrants.device,
        "precision": entrants.precision,
        "rounds": rounds,
        "rows": [
            {
                "competitor": name,
                "ms": quartiles(values),
                "over_yardstick": quartiles(values / times[YARDSTICK]),
            }
            for name, values in times.items()
        ],
        "absent": absent,
    }
