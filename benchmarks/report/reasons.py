"""Why a target is missed, written by hand; shown where one of the group is missed in the record.

The figures in a text are those of hardware counters, whose table stands on the same page.
"""

from __future__ import annotations

# A group of targets -> what stands under its table.
REASONS: dict[str, str] = {
    "op batch 128 N 1": (
        "Latency. Registers, and for large maps shared memory, leave room for 12 warps a "
        "multiprocessor. They issue 1.8 of 4 instructions a cycle, with special functions busy 23% "
        "of the time: between two instructions a warp waits about a cycle each for memory, for "
        "shared memory and special functions, and for the instruction before. More warps with "
        "fewer registers were tried and are 15% slower. What it asks for: the next tile's reads "
        "under way while this one is merged, and at L 49 several images a warp."
    ),
    "op batch 128 N 16": (
        "Two limits lie side by side: for eight pixels of 16 states a warp issues 1,161 "
        "instructions, one a cycle at best, and keeps the special functions busy for 1,088 cycles. "
        "It comes to 68% and 65% of them, with 16 warps a multiprocessor, for which 128 registers "
        "a thread leave room. Five times the chain would need 1.2 to 1.5 times, all that is left. "
        "Powers of two from the multiply-add units, eight or more instructions each for eight "
        "cycles of a special function, would gain nothing. What it asks for: fewer instructions "
        "for a state, five now, and fewer registers, so that more warps fit."
    ),
    "op batch 1": (
        "One image is too little work for the GPU: three or four launches follow each other, each "
        "at 7% to 15% occupancy and bound by the latency of its few steps, and most of the "
        "reference chain's launches are as short. What it asks for: one launch, in clusters of "
        "blocks that hand the states on through distributed shared memory."
    ),
    "network batch 128": (
        "In eager PyTorch the scans are 2.3 of 20.7 ms; norms take 9.4 ms, four times their floor, "
        "and elementwise operations 4.7 ms. torch.compile fuses most of these. The public form "
        "pays for the same norms. What it asks for: fewer passes over the map, with the norm after "
        "the scan and the activation before it in the kernels beside them."
    ),
}

SANITIZER_REASON = (
    "racecheck takes two warps for ordered where they meet at a named barrier, and not where they "
    "meet through a third, as in a chain of three and more warps, which one kernel has: all that "
    "it reported is about that kernel, also the errors, which the test of that day did not tell "
    "from others. On the host every access of shared memory in every way of launching is held "
    "against the barriers, chains of any length among them, and nothing is found "
    "(`tests/plugins/test_cuda_races.py`)."
)


def op_group(batch: int, state: int) -> str:
    """The group of an op's target."""
    return f"op batch {batch} N {state}" if batch > 1 else f"op batch {batch}"


NETWORK_GROUP = "network batch 128"
