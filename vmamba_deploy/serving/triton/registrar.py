"""The small library through which Triton's TensorRT back end gets to know our plugin.

The back end opens the files of `--backend-config=tensorrt,plugins=...` with dlopen alone, which
suits libraries that register themselves when they are opened. Ours leaves that to the one who loads
it (`IPluginRegistry::loadLibrary`), so that one file serves every TensorRT. register_plugin.cpp
does it for Triton; it is compiled for the engine's major version, as the registry's layout
changes between those.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.native.cuda import require_cuda
from vmamba_deploy.native.headers import TENSORRT
from vmamba_deploy.native.processes import run_logged
from vmamba_deploy.native.toolchain import find_host_compiler

REGISTRAR_LIBRARY = "libvmamba_trt_register.so"
_SOURCE = Path(__file__).with_name("register_plugin.cpp")


def build_registrar(output: Path, engine_version: str) -> None:
    """Compile the library that registers the `libvmamba_trt.so` beside it.

    Args:
        output: the library.
        engine_version: of the TensorRT that built the engine, "10.13.3.9".

    Raises:
        EnvironmentProblem: no C++ or CUDA compiler, or headers of another major version than the
            engine's.
        BuildError: it does not compile.
    """
    headers = TENSORRT.require()
    version = TENSORRT.version(headers)
    if version.split(".")[0] != engine_version.split(".")[0]:
        raise EnvironmentProblem(
            f"the engine is of TensorRT {engine_version}, the headers in {headers} are of "
            f"{version}: the library that registers the plugin must be compiled with the same "
            "major version",
            hint="set TENSORRT_INCLUDE_DIR to the headers of the engine's TensorRT",
        )
    # nvcc passes the file on to the host's compiler, and knows where the CUDA headers lie that
    # those of TensorRT include.
    cuda, host = require_cuda(), find_host_compiler()
    command: list[str | Path] = [cuda.nvcc, "-ccbin", cuda.host_compiler(host).path]
    command += ["-std=c++17", "-O2", "-shared", "-cudart", "none", "-isystem", headers]
    command += ["-Xcompiler", "-fPIC,-fvisibility=hidden"]
    with tempfile.TemporaryDirectory(prefix="vmamba-register-") as work:
        log = Path(work) / "build.log"
        log.write_text("")
        environment = dict(os.environ) | cuda.environment()
        what = f"compiling {REGISTRAR_LIBRARY}"
        run_logged(
            [*command, _SOURCE, "-o", output, "-ldl"], log=log, what=what, environment=environment
        )
    if not output.is_file():
        raise BuildError(f"{what} left no {output.name}")
