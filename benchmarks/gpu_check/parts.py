"""The parts of a run, in the order of their value, each with its time limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """`python -m <arguments>`.

    Attributes:
        name: of its files and its entry in the record.
        arguments: of `python -m`; a benchmark gets `--json FILE` beside them.
        measures: whether it is a benchmark, which writes JSON; else pytest, which writes JUnit XML.
    """

    name: str
    arguments: tuple[str, ...]
    measures: bool = True


@dataclass(frozen=True)
class Part:
    """Commands that belong together and share a time limit.

    Attributes:
        name: its key in the record, and what `--part` takes.
        limit_s: seconds for all its commands.
        summary: one line for the reader.
        commands: in their order.
        rehearsed: whether a rehearsal on a CPU runs it: no network more than once.
    """

    name: str
    limit_s: float
    summary: str
    commands: tuple[Command, ...]
    rehearsed: bool = True


def measured(
    name: str, limit_s: float, summary: str, *commands: Command, rehearsed: bool = True
) -> Part:
    """Entries of `python -m benchmarks` on the GPU; without commands the one of the part's name."""
    return Part(name, limit_s, summary, commands or (_measure(name, name),), rehearsed)


def tested(name: str, limit_s: float, summary: str, *arguments: str) -> Part:
    """GPU tests of the project."""
    command = Command(name, ("pytest", "-m", "gpu", "-q", *arguments), measures=False)
    return Part(name, limit_s, summary, (command,))


def network(
    name: str, batch: int, *competitors: str, model: str = "t", rounds: int = 10
) -> Command:
    """`python -m benchmarks model` at one batch size."""
    chosen = tuple(word for each in competitors for word in ("--competitor", each))
    sizes = ("--model", model, "--batch", str(batch), "--rounds", str(rounds))
    return _measure(name, "model", *sizes, *chosen)


def _measure(name: str, *arguments: str) -> Command:
    return Command(name, ("benchmarks", *arguments, "--device", "cuda"))


_EAGER = ("pytorch-cuda-graph", "public-form")
_MIXED = ("pytorch-fp32", "pytorch-amp", "public-form")

# fmt: off
PARTS = (
    measured("machine", 25, "the GPU, its driver and measured ceilings"),
    tested("accuracy", 90,
           "every way of launching, edges, network and random shapes against float64",
           "tests/plugins/test_cuda_gpu.py", "tests/plugins/test_roi_align_gpu.py"),
    measured("chain", 60, "the reference chain compiled, and compared with the op"),
    measured("op", 60, "eight shapes at two batch sizes beside the reference chain"),
    measured("sequences", 30, "scans of one route or two, at the sizes of other families"),
    measured("network", 60, "VMamba-T in eager PyTorch and as a CUDA graph",
             network("network_128", 128, *_EAGER), network("network_1", 1, *_EAGER)),
    measured("counters", 40, "hardware counters of the op's kernels at four shapes",
             rehearsed=False),
    measured("layers", 25, "every operation of the network beside its floor"),
    tested("sanitizer", 60, "compute-sanitizer: memory accesses, then races in shared memory",
           "tests/plugins/test_cuda_sanitizer_gpu.py"),
    tested("operator", 30, "the operator of libvmamba_torch.so, captured in a graph as well",
           "tests/plugins/test_torch_library_gpu.py"),
    tested("plugin", 40, "the TensorRT plugin through IPluginV3, without TensorRT",
           "tests/plugins/test_trt_plugin_gpu.py"),
    measured("precisions", 60, "VMamba-T in fp32 and mixed precision, VMamba-B",
             network("precisions_128", 128, *_MIXED, rounds=5),
             network("base_128", 128, *_EAGER, model="b", rounds=5), rehearsed=False),
    measured("resolutions", 45, "cost per pixel"),
    tested("networks", 60, "shallow networks in every precision, eager and as a graph",
           "tests/models/vmamba/test_gpu_network.py", "-k", "not compiled"),
    measured("compiled", 110, "torch.compile without a graph break",
             network("compiled_128", 128, "pytorch-compiled"), rehearsed=False),
    measured("aotinductor", 100, "an AOTInductor package",
             network("aotinductor_128", 128, "aotinductor"), rehearsed=False),
)
# fmt: on


def chosen_parts(names: tuple[str, ...]) -> tuple[Part, ...]:
    """The named parts in the order of the run; all if none is named.

    Raises:
        ValueError: there is no part of that name.
    """
    by_name = {part.name: part for part in PARTS}
    unknown = sorted(set(names) - set(by_name))
    if unknown:
        raise ValueError(f"there is no part {unknown[0]!r}; the parts are {', '.join(by_name)}")
    return tuple(part for part in PARTS if not names or part.name in names)
