"""Builds the native harnesses: libFuzzer, and GCC's address and undefined-behaviour sanitizers.

libFuzzer is the one inside the Python package atheris, so that no clang is needed.
"""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path

import pytest

from tests.plugins.emulation import (
    EMULATED_SOURCES,
    PLUGINS,
    SANITIZER_FLAGS,
    SIGNATURE_SOURCES,
    VECTOR_FLAGS,
    compile_emulated,
    compile_object,
)
from vmamba_deploy.native.headers import TENSORRT

HERE = Path(__file__).parent
_COVERAGE = ("-fsanitize-coverage=trace-pc,trace-cmp",)
_LINK = ("-Wl,--wrap=__sanitizer_cov_trace_pc", "-pthread")
_KERNELS = PLUGINS / "kernels"
# As plugins/kernels/cpu/CMakeLists.txt says, but for the optimisation.
_CPU_FLAGS = ("-ffp-contract=off", "-Wno-psabi", "-Wno-maybe-uninitialized")
_INSTRUCTION_SETS = {
    "build_avx2.cpp": ("-mavx2", "-mfma", "-mf16c"),
    "build_avx512.cpp": (
        *("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mf16c"),
        "-mprefer-vector-width=512",
    ),
}

# Of other machines.
_FOREIGN_BUILDS = {
    "x86_64": frozenset({"build_neon.cpp"}),
    "aarch64": frozenset({"build_avx2.cpp", "build_avx512.cpp"}),
}


def c_interface_fuzzer(harness: str = "c_interface.cpp") -> Path:
    """The program for the C interface and the CPU kernels; skips where it cannot be built.

    Args:
        harness: of the scan, or of another op.
    """
    foreign = _FOREIGN_BUILDS.get(platform.machine(), frozenset())
    kernels = [path for path in (_KERNELS / "cpu").glob("*.cpp") if path.name not in foreign]
    sources = [*kernels, *(_KERNELS / "common").glob("validate*.cpp")]
    objects = [compile_object(path, (*SANITIZER_FLAGS, *_flags_of(path.name))) for path in sources]
    return _fuzzer(harness, objects=objects)


def plugin_fuzzer() -> Path:
    """The program for the plugin, over the emulated kernels; skips where it cannot be built."""
    tensorrt = TENSORRT.find()
    if tensorrt is None:
        pytest.skip("TensorRT's headers are not on this machine: make native brings them")
    includes = ("-isystem", tensorrt, f"-I{PLUGINS / 'tensorrt'}")
    flags = (*SANITIZER_FLAGS, *_COVERAGE)
    sources = [*(PLUGINS / "tensorrt").glob("*.cpp"), *SIGNATURE_SOURCES]
    objects = [compile_object(path, flags, where=includes) for path in sources]
    emulated = [
        compile_object(path, (*SANITIZER_FLAGS, *VECTOR_FLAGS)) for path in EMULATED_SOURCES
    ]
    return _fuzzer("plugin_fields.cpp", *includes, objects=[*objects, *emulated])


def _flags_of(source: str) -> tuple[str, ...]:
    # The kernels branch on the sizes alone, as what calls them does: counting there only costs. And
    # libFuzzer has no counter for comparisons of floats, which the samples of a box need.
    arithmetic = source.startswith(("build_", "box_"))
    return (*_CPU_FLAGS, *_INSTRUCTION_SETS.get(source, ())) if arithmetic else _COVERAGE


def _fuzzer(harness: str, *includes: str | Path, objects: list[Path]) -> Path:
    """Link a harness with what it tries. Its own code steers nothing: only that counts edges."""
    own = [compile_object(HERE / harness, (*SANITIZER_FLAGS, "-O2"), where=includes)]
    own += [compile_object(HERE / "libfuzzer.cpp", ("-O1",))]
    return compile_emulated(
        (*SANITIZER_FLAGS, *_LINK), sources=(), objects=[*own, *objects, _libfuzzer()]
    )


def _libfuzzer() -> Path:
    try:
        files = importlib.metadata.files("atheris") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("atheris, which carries libFuzzer, has no package for this machine")
    (library,) = (file for file in files if file.name == "libclang_rt.fuzzer_no_main.a")
    return Path(str(library.locate()))
