"""Executors for the C interface, to prove that neither order nor thread decides a bit."""

from __future__ import annotations

from benchmarks.c_interface import Executor, ParallelFor


def executor_of(threads: int, *, backwards: bool = False) -> Executor:
    """One in Python, on the thread of the caller."""

    @ParallelFor
    def parallel_for(_context, count, task, arg):
        for index in reversed(range(count)) if backwards else range(count):
            task(arg, index)

    return Executor(None, threads, parallel_for)


def own_threads(threads: int) -> Executor:
    """The library's own threads."""
    return Executor(None, threads, ParallelFor())
