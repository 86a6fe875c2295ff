"""The C interface and the plugin take any input, under the sanitizers."""

from __future__ import annotations

import pytest

from tests.fuzz.native import c_interface_fuzzer, plugin_fuzzer
from tests.fuzz.running import fuzz, run


@pytest.mark.slow
def test_the_c_interface() -> None:
    program = c_interface_fuzzer()
    run("c_interface", [program], "-runs=0", VMAMBA_CPU_ISA="portable")
    fuzz("c_interface", [program])


@pytest.mark.slow
def test_the_c_interface_of_roi_align() -> None:
    program = c_interface_fuzzer("roi_align.cpp")
    run("roi_align", [program], "-runs=0", VMAMBA_CPU_ISA="portable")
    fuzz("roi_align", [program])


@pytest.mark.slow
def test_the_fields_of_the_plugin_and_its_bytes_in_an_engine() -> None:
    fuzz("plugin_fields", [plugin_fuzzer()])
