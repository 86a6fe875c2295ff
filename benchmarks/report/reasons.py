"""Why a bar is missed, written by hand; shown where a bar of the group is missed in the record.

The figures in a text are those of hardware counters, whose table stands on the same page.
"""

from __future__ import annotations

# A group of bars -> what stands under its table.
REASONS: dict[str, str] = {
    "op batch 128 N 1": (
        "The kernel issues 1.76 instructions a cycle of the 4 that a multiprocessor can issue. "
        "Registers and shared memory leave room for one block of 12 warps, and these wait for "
        "memory, for shared memory and for each other; special functions are busy 23% of the time."
    ),
    "op batch 128 N 16": (
        "Special functions are busy 62% of the time and 2.66 instructions are issued a cycle. The "
        "kernel takes 1.9 to 2.4 times its floor; five times the chain would need 1.4 to 1.7 times."
    ),
    "op batch 1": (
        "A single image is too little work for the GPU: the map is cut into segments, which takes "
        "launches one after the other of several microseconds each, at 8% to 15% occupancy."
    ),
    "network batch 128": (
        "In eager PyTorch the scans are 2.3 of 20.6 ms; norms take 9.4 ms, four times their floor, "
        "and elementwise operations 4.7 ms. torch.compile fuses these, and the public form pays "
        "for most of them too."
    ),
}


def op_group(batch: int, state: int) -> str:
    """The group of an op's bar."""
    return f"op batch {batch} N {state}" if batch > 1 else f"op batch {batch}"


NETWORK_GROUP = "network batch 128"
