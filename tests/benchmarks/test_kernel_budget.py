"""The kernels keep their budget; what compilers say is read right; each kind of excess is found."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import kernel_budget
from benchmarks.kernel_budget import budget_text, excesses, page_text, read_budget
from benchmarks.kernel_costs import (
    ARCHITECTURES,
    COLUMNS,
    Costs,
    compiler_version,
    inner_loop,
    kernel_costs,
    measure,
    short_name,
    sources_sha256,
)
from vmamba_deploy.errors import BuildError, EnvironmentProblem
from vmamba_deploy.native.layout import source_folder

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
# Those whose machine code differs most, and which CI has the time to compile.
DIFFERENT = ("8.0", "9.0", "12.0")
# Of sources and a compiler that are those of the budget: one shows whether it is true.
RECORDED = ("9.0",)
# One is the block's own, the others are named: two for each of the warps that go one way, or one
# for each pair of N > 1. With 16 a multiprocessor would hold four blocks on 9.0, one on 12.0.
MOST_BARRIERS = {
    r"merge_routes<.*, 1>": 1,
    r"merge_routes<.*, 2>": 5,
    r"merge_routes<.*, 6>": 13,
    r"segment_ends<.*>": 0,
    r"channel_ends<.*>": 0,
    r"channel_starts": 0,
    r"merge_channels<.*>": 1,
    r"pool_boxes<.*>": 1,
}

PTXAS = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN6vmamba5decayILb1EEEvPfPKfii' for 'sm_80'
ptxas info    : Function properties for _ZN6vmamba5decayILb1EEEvPfPKfii
    16 bytes stack frame, 20 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 10 registers, used 13 barriers, 16 bytes cumulative stack size, 128 bytes smem, 376 bytes cmem[0]
ptxas info    : Compile time = 5.499 ms
"""  # noqa: E501
# From nvdisasm, but for the way back by a call and for the spill.
LISTING = """\
.text._ZN6vmamba5decayILb1EEEvPfPKfii:
        /*0000*/                   IMAD.MOV.U32 R1, RZ, RZ, c[0x0][0x28] ;
        /*0020*/                   ISETP.GE.AND P0, PT, R0, c[0x0][0x170], PT ;
.L_x_4:
        /*0030*/               @P0 EXIT ;
.L_x_2:
        /*0050*/                   MUFU.EX2 R2, R2 ;
        /*0080*/              @!P0 BRA `(.L_x_0) ;
.L_x_1:
        /*00b0*/                   IMAD.U32 R2, RZ, RZ, UR6 ;
        /*00d0*/                   LDG.E R2, [R2.64] ;
.L_x_7:
        /*0110*/                   UIADD3.X UR7, URZ, UR7, URZ, UP0, !UPT ;
        /*0118*/              @!P1 BRA `(.L_x_7) ;
        /*0120*/                   MUFU.EX2 R7, R2 ;
        /*0140*/                   STL [R1], R11                                 (*"SpillRefill"*);
        /*0150*/                   MUFU.EX2 R6, R6 ;
        /*0170*/              @!P0 BRA `(.L_x_1) ;
.L_x_0:
        /*0190*/                   MUFU.EX2 R5, R4 ;
        /*01e0*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*01f0*/              @!P0 BRA `(.L_x_2) ;
.L_x_5:
        /*0200*/                   EXIT ;
.L_x_3:
        /*0210*/                   BRA `(.L_x_3);
        /*0220*/                   NOP;
.L_x_6:
"""


def over_barriers(costs: Costs) -> list[str]:
    barriers, found = COLUMNS.index("barriers"), []
    for name, of_kernel in costs.items():
        bounds = [most for kind, most in MOST_BARRIERS.items() if re.fullmatch(kind, name)]
        assert bounds, f"{name}: how many barriers may it have?"
        found += [
            f"{name} on {architecture}: {cost[barriers]} barriers, at most {bounds[0]}"
            for architecture, cost in of_kernel.items()
            if cost[barriers] > bounds[0]
        ]
    return found


def test_the_report_of_ptxas_and_the_inner_loop() -> None:
    ((name, cost),) = kernel_costs(PTXAS, LISTING)
    assert dict(zip(COLUMNS, cost, strict=True)) == {
        "registers": 10,
        "spilled": 44,
        "stack": 16,
        "shared": 128,
        "barriers": 13,
        "instructions": 8,  # from the first of .L_x_1, the loop without a power inside it once
    }
    assert short_name("void vmamba::decay<(bool)1>(float*, float const*, int)") == "decay<1>"
    assert name.startswith("_ZN6vmamba5decay")


def test_a_way_back_by_a_call_is_a_loop_as_well() -> None:
    called = LISTING.replace("@!P0 BRA `(.L_x_1)", "@!P0 CALL.REL.NOINC `(.L_x_1)")
    assert inner_loop(called) == inner_loop(LISTING) == 8


def test_a_loop_with_two_ways_back_reaches_to_the_last() -> None:
    twice = LISTING.replace(".L_x_0:\n", "        /*0178*/   @P2 BRA `(.L_x_1) ;\n.L_x_0:\n")
    assert inner_loop(twice) == 9


def test_a_kernel_without_powers_is_known_by_its_loads() -> None:
    loads = LISTING.replace("MUFU.EX2", "MUFU.RCP")
    assert inner_loop(loads) == 8
    assert inner_loop(loads.replace("UIADD3.X", "LDG.E R3, [R2.64]; UIADD3.X", 1)) == 2


def test_without_a_loop_or_without_marks_there_is_nothing_to_count() -> None:
    assert inner_loop(LISTING.replace("MUFU.EX2", "MUFU.RCP").replace("LDG", "LDS")) == 0
    assert inner_loop(re.sub(r"BRA `\(.L_x_[12]\)", "EXIT", LISTING)) == 0


@pytest.mark.parametrize("told", ["Used 10 registers", "used 13 barriers", "24 bytes spill loads"])
def test_a_report_of_another_form_is_no_report_of_nothing(told: str) -> None:
    text = re.sub(r"\d+ bytes spill \w+", "", PTXAS) if "spill" in told else PTXAS
    with pytest.raises(BuildError, match="ptxas tells nothing of"):
        list(kernel_costs(text.replace(told, ""), LISTING))


BEFORE = (128, 8, 8, 0, 5, 1000)


@pytest.mark.parametrize(
    ("column", "within", "beyond"),
    [
        ("registers", 121, 129),
        ("spilled", 8, 9),
        ("stack", 8, 16),
        ("shared", 0, 4),
        ("barriers", 5, 6),
        ("instructions", 1021, 1022),
        ("instructions", 900, 0),
    ],
)
def test_each_kind_of_excess_is_found(column: str, within: int, beyond: int) -> None:
    def found(value: int) -> list[str]:
        now = list(BEFORE)
        now[COLUMNS.index(column)] = value
        return excesses({"scan": {"9.0": BEFORE}}, {"scan": {"9.0": now}})

    assert found(within) == []
    old = BEFORE[COLUMNS.index(column)]
    assert found(beyond) == [f"scan on 9.0: {column} {old} -> {beyond}"]


def test_registers_may_grow_within_their_unit() -> None:
    cost = (121, *BEFORE[1:])
    assert excesses({"scan": {"9.0": cost}}, {"scan": {"9.0": BEFORE}}) == []


def test_a_new_kernel_and_one_that_is_gone_are_told() -> None:
    old, new = {"old": {"8.0": BEFORE, "9.0": BEFORE}}, {"new": {"9.0": BEFORE}}
    assert excesses(old, new) == ["new on 9.0: no budget", "old on 9.0: no such kernel any more"]
    assert excesses(old, {"old": {"9.0": BEFORE}}) == []  # 8.0 was not measured


def test_the_command_ends_with_six_where_the_budget_is_exceeded(
    monkeypatch: pytest.MonkeyPatch, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = {"scan": dict.fromkeys(ARCHITECTURES, BEFORE)}
    monkeypatch.setattr(kernel_budget, "BUDGET", tmp_path / "budget.json")
    monkeypatch.setattr(kernel_budget, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(kernel_budget, "measure", lambda: costs)
    monkeypatch.setattr(kernel_budget, "compiler_version", lambda: "13.0.88")
    assert kernel_budget.main(["--write"]) == 0
    assert "| `scan` | 128 +8 / 1000 / 5 |" in (tmp_path / "page.md").read_text()
    assert kernel_budget.main([]) == 0
    costs["scan"]["9.0"] = (136, *BEFORE[1:])
    assert kernel_budget.main([]) == 6
    assert "scan on 9.0: registers 128 -> 136" in capsys.readouterr().out


def test_the_page_and_the_file_are_as_the_command_writes_them() -> None:
    budget = read_budget()
    text = budget_text(budget["nvcc"], budget["sources"], budget["kernels"])
    assert text == kernel_budget.BUDGET.read_text()
    assert page_text(budget["nvcc"], budget["kernels"]) == kernel_budget.PAGE.read_text()
    assert {tuple(of_kernel) for of_kernel in budget["kernels"].values()} == {ARCHITECTURES}


def test_the_budget_itself_keeps_the_bounds_on_barriers() -> None:
    assert over_barriers(read_budget()["kernels"]) == []


def to_compile(budget: dict[str, Any]) -> tuple[str, ...]:
    recorded = (budget["nvcc"], budget["sources"]) == (compiler_version(), sources_sha256())
    return RECORDED if recorded else DIFFERENT


def test_any_change_of_the_sources_is_compiled_for_all_that_differ(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in ("include", "kernels"):
        shutil.copytree(source_folder() / folder, tmp_path / folder)
    recorded = sources_sha256(tmp_path)
    assert recorded == sources_sha256()
    for name in ("include/vmamba/common.h", "kernels/cuda/shared/plan_costs.h"):
        with (tmp_path / name).open("a") as file:
            file.write("// more\n")
        changed, recorded = recorded, sources_sha256(tmp_path)
        assert changed != recorded
    monkeypatch.setattr(sys.modules[__name__], "compiler_version", lambda: "13.0.88")
    assert to_compile({"nvcc": "13.0.88", "sources": recorded}) == DIFFERENT
    assert to_compile({"nvcc": "13.1.0", "sources": sources_sha256()}) == DIFFERENT
    assert to_compile({"nvcc": "13.0.88", "sources": sources_sha256()}) == RECORDED


@pytest.mark.slow
def test_the_kernels_keep_their_budget() -> None:
    try:
        costs = measure(ARCHITECTURES if THOROUGH else to_compile(read_budget()))
    except EnvironmentProblem as problem:
        pytest.skip(f"{problem.message}: {problem.hint}")
    found = excesses(read_budget()["kernels"], costs)
    assert not found, "\n".join([*found, "if wanted: python -m benchmarks.kernel_budget --write"])
    assert over_barriers(costs) == []
