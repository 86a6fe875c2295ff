from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys

import pytest

from tests.processes import HANG_S
from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.runtimes.tensorrt import soname_stub as module
from vmamba_deploy.runtimes.tensorrt.soname_stub import load_soname_stub, soname_stub

# In a process of its own, as a loaded object stays: a second name for the C maths library.
PROBE = """
import ctypes, sys
from vmamba_deploy.runtimes.tensorrt import soname_stub as module
if sys.argv[1] == "file":
    def refuse(name): raise OSError("forbidden")
    module.os.memfd_create = refuse
ctypes.CDLL("libm.so.6")
module.load_soname_stub("libsecond_name.so", "libm.so.6")
again = ctypes.CDLL("libsecond_name.so")
again.cos.restype, again.cos.argtypes = ctypes.c_double, [ctypes.c_double]
print(again.cos(0.0))
"""


@pytest.mark.parametrize("way", ["memory", "file"])
def test_a_lookup_under_the_second_name_finds_the_library(way):
    with pytest.raises(OSError, match="libsecond_name"):
        ctypes.CDLL("libsecond_name.so")
    command = [sys.executable, "-c", PROBE, way]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "1.0"), result.stderr


@pytest.mark.skipif(shutil.which("readelf") is None, reason="binutils is not installed")
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_binutils_reads_it_as_a_sound_object(tmp_path, machine):
    path = tmp_path / "stub.so"
    path.write_bytes(soname_stub("liba.so", "liba.so.7", machine=machine))
    result = subprocess.run(
        ["readelf", "--all", "--wide", str(path)], capture_output=True, text=True, check=True
    )
    assert "Library soname: [liba.so]" in result.stdout
    assert "Shared library: [liba.so.7]" in result.stdout
    assert "arning" not in result.stdout + result.stderr


def test_another_machine_is_refused():
    with pytest.raises(EnvironmentProblem, match="this one is riscv64"):
        soname_stub("a", "b", machine="riscv64")


def test_a_library_that_is_not_there_is_explained(monkeypatch):
    monkeypatch.setattr(module.os, "memfd_create", _forbidden)
    with pytest.raises(EnvironmentProblem, match="refuses the stand-in"):
        load_soname_stub("libnowhere.so", "libnowhere.so.99")


def _forbidden(name: str) -> int:
    raise OSError("forbidden")
