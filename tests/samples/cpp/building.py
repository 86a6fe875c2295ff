"""Building the C++ samples once, in folders that are kept for the next run."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock

from tests.samples.cpp.packages import cmake_settings, unpacked
from vmamba_deploy.native import layout, toolchain
from vmamba_deploy.native.cuda import require_cuda
from vmamba_deploy.native.fetch import pip_packages
from vmamba_deploy.native.headers import ONNXRUNTIME, TENSORRT

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "samples" / "cpp"
# The one part of TensorRT 11 that the package index has: it runs engines, and has the registry.
TENSORRT_LEAN = "tensorrt-lean-cu13-libs==11.4.0.106"
WARNINGS = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"


def build(
    source: Path, name: str, settings: Mapping[str, object], targets: Sequence[str] = ()
) -> Path:
    """Configure and build a CMake project.

    Returns:
        The build folder, `build/samples/<name>`.
    """
    tree = layout.cache_folder() / "samples" / name
    tree.parent.mkdir(parents=True, exist_ok=True)
    cmake, ninja = toolchain.require_tool("cmake"), toolchain.require_tool("ninja")
    options = {
        "CMAKE_MAKE_PROGRAM": ninja,
        "CMAKE_CXX_COMPILER": toolchain.find_host_compiler().path,
        "CMAKE_CXX_FLAGS_RELEASE": "-Og",  # quicker to compile
        **cmake_settings(unpacked()),
        **settings,
    }
    words = [f"-D{key}={value}" for key, value in options.items()]
    # CMake remembers where it found things, which is wrong once they are to be elsewhere.
    stamp, asked = tree.with_name(f"{name}.settings"), "\n".join([str(source), *words])
    with FileLock(tree.with_name(f".{name}.lock")):
        fresh = [] if stamp.is_file() and stamp.read_text() == asked else ["--fresh"]
        run(cmake, *fresh, "-S", source, "-B", tree, "-G", "Ninja", *words)
        stamp.write_text(asked)
        run(cmake, "--build", tree, *(("--target", *targets) if targets else ()))
    return tree


def run(*command: object) -> str:
    """What a build command prints; fails the test with it where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def onnxruntime_settings() -> dict[str, object]:
    """The Python package's library and Debian's headers."""
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    (library,) = (Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*")
    headers = ONNXRUNTIME.require()
    return {
        "VMAMBA_ONNXRUNTIME": "ON",
        "ONNXRUNTIME_LIBRARY": library,
        "ONNXRUNTIME_INCLUDE_DIR": headers,
    }


def rtx_settings() -> dict[str, object]:
    """The Python package's library; its headers are in no package, those of TensorRT stand in."""
    spec = find_spec("tensorrt_rtx_libs")
    assert spec is not None
    assert spec.origin is not None
    return {
        "VMAMBA_TENSORRT": "RTX",
        "TENSORRT_RTX_LIBRARY": Path(spec.origin).with_name("libtensorrt_rtx.so.1"),
        "TENSORRT_RTX_INCLUDE_DIR": TENSORRT.require(),
        "CUDA_TYPES_INCLUDE_DIR": cuda_types(),
    }


def lean_settings() -> dict[str, object]:
    """TensorRT 11.4, its lean part, with the headers of 10.14."""
    folder = layout.toolchain_folder() / "tensorrt-lean"
    pip_packages([TENSORRT_LEAN], folder)
    return {
        "VMAMBA_TENSORRT": "TENSORRT",
        "TENSORRT_LIBRARY": folder / "tensorrt_lean_libs" / "libnvinfer_lean.so.11",
        "TENSORRT_INCLUDE_DIR": TENSORRT.require(),
        "CUDA_TYPES_INCLUDE_DIR": cuda_types(),
    }


def cuda_types() -> Path:
    """The folder of cuda_runtime_api.h, as the compiler of the plugin tells it."""
    toolkit = require_cuda()
    host = toolkit.host_compiler(toolchain.find_host_compiler()).path
    used = run(toolkit.nvcc, "-ccbin", host, "-M", "-x", "cu", "/dev/null").split()
    return next(Path(word).parent for word in used if word.endswith("/cuda_runtime_api.h"))
