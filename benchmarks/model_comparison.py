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


def compare_model(entrants: Entrants, rounds: int, names: tuple[str, ...] = ()) -> dict[str, Any]:
    """Median and quartiles of each competitor, and of its ratio to eager PyTorch in each round."""
    import torch

    torch.set_num_threads(entrants.threads)
    torch.backends.cudnn.benchmark = True  # for all alike, as the public scripts have it
    calls: dict[str, Call] = {}
    absent: dict[str, str] = {}
    failed: dict[str, str] = {}
    agreement: dict[str, dict[str, Any]] = {}
    for name in chosen_competitors(entrants.device, names):
        try:
            call = COMPETITORS[name].enter(entrants)
            agreement[name] = _agreement(entrants, name, call)  # what compiles does so here
            calls[name] = call
        except Absent as reason:
            absent[name] = str(reason)
        except VmambaError as error:
            absent[name] = error.message
        except Exception as error:  # noqa: BLE001 - a bug of one way: the others have their turn
            failed[name] = f"{type(error).__name__}: {error}"[:2000]
    times = interleave(calls, rounds)
    entrants.close()
    return {
        "schema_version": 1,
        "machine": machine_text(),
        "preset": entrants.preset_name,
        "batch": entrants.batch,
        "image_side": entrants.image_side,
        "threads": entrants.threads,
        "device": entrants.device,
        "gpu": _gpu_name(entrants.device),
        "precision": entrants.precision,
        "rounds": rounds,
        "rows": [
            {
                "competitor": name,
                "precision": COMPETITORS[name].precision or entrants.precision,
                "ms": quartiles(values),
                "over_yardstick": quartiles(values / times.get(YARDSTICK, values)),
                **agreement[name],
            }
            for name, values in times.items()
        ],
        "absent": absent,
        "failed": failed,
    }


def _agreement(entrants: Entrants, name: str, call: Call) -> dict[str, Any]:
    """NMSE of the logits against float32 and its limit; nothing of what gives no logits."""
    import torch

    from benchmarks.network_parity import full_float32, parity

    with full_float32():
        logits = call()
    if entrants.device != "cuda" or not isinstance(logits, torch.Tensor):
        return {}
    return parity(logits, entrants.expected, COMPETITORS[name].precision or entrants.precision)


def _gpu_name(device: str) -> str | None:
    import torch

    return torch.cuda.get_device_name(0) if device == "cuda" else None
