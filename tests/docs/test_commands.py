"""Every command block on a page runs, or says on the page why not, or which test runs it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.pages import (
    CHECKOUT,
    Block,
    blocks,
    command_blocks,
    name_of,
    pages,
    without_blocks,
)
from tests.docs.workplace import Workplace, warm_process
from tests.processes import is_running, wait_until

_BLOCKS = [block for page in pages() for block in command_blocks(page)]
_RUN = [block for block in _BLOCKS if block.not_run is None and block.run_by is None]
# What runs every test: the newcomer's commands themselves.
_CI = ".ci/run"
# What the shell itself does, and words that are no program of the block's subject.
_SHELL = {"cd", "export", "source", ".", "set", "kill", "wait", "sleep", "mkdir", "cat", "echo"}
_SHELL |= {"git"}
_ASSIGNMENT = re.compile(r"\w+=")


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with warm_process(tmp_path_factory.mktemp("warm") / "site") as name:
        yield name


@pytest.mark.slow
@pytest.mark.parametrize("page", list(dict.fromkeys(block.page for block in _RUN)))
def test_the_commands_of_a_page_run_in_order(
    page: str, tmp_path: Path, exports: Path, warm: str
) -> None:
    with Workplace(tmp_path, exports, warm) as place:
        for block in _RUN:
            if block.page == page:
                place.run(block)


def _marked(kind: str) -> list[object]:
    return [pytest.param(block, id=block.place) for block in _BLOCKS if getattr(block, kind)]


@pytest.mark.parametrize("block", _marked("not_run"))
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    assert block.not_run is not None
    assert len(block.not_run) > len("needs"), f"{block.place}: no reason"
    pytest.skip(f"the page says: {block.not_run}")


@pytest.mark.parametrize("block", _marked("run_by"))
def test_the_named_test_starts_the_same_programs(block: Block) -> None:
    assert block.run_by is not None
    test = CHECKOUT / block.run_by
    named = test.name.startswith("test_") or block.run_by == _CI
    assert named, f"{block.place}: {block.run_by} is no test"
    assert test.is_file(), f"{block.place}: there is no {block.run_by}"
    text = test.read_text(encoding="utf-8")
    missing = [name for name in programs_of(block) if name not in text]
    assert not missing, f"{block.place}: {block.run_by} mentions no {', '.join(missing)}"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_stand_in_fenced_blocks(page: Path) -> None:
    """An indented block has no language, so nobody could tell whether it is a command."""
    prose = without_blocks(page.read_text(encoding="utf-8")).splitlines()
    indented = [
        number + 1
        for number, line in enumerate(prose)
        if line.startswith("    ") and line.strip() and number and not prose[number - 1].strip()
    ]
    assert not indented, f"{name_of(page)}: fence the blocks at lines {indented}"


def programs_of(block: Block) -> list[str]:
    """What a block starts: the names of programs, scripts and modules.

    `python -m a.b` is `b`, `python dir/c.py` is `c.py`, anything else its first word.
    """
    if block.language == "python":
        return [found[1] for found in re.finditer(r"^from (\S+) import", block.text, re.MULTILINE)]
    found: list[str] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        words: list[str] = []
        for word in [*shlex.shlex(line, posix=True, punctuation_chars=True), ";"]:
            if set(word) <= set(";&|()"):
                found += _program([one for one in words if not _ASSIGNMENT.match(one)])
                words = []
            else:
                words.append(word)
    return list(dict.fromkeys(found))


def _program(words: list[str]) -> list[str]:
    if not words or words[0] in _SHELL or words[:2] == ["python", "-c"]:
        return []
    if words[0] == "python" and len(words) > 1:
        module = words[1] == "-m" and len(words) > 2
        return [words[2].rpartition(".")[2] if module else Path(words[1]).name]
    return [Path(words[0]).name]


def block_of(text: str) -> Block:
    (block,) = blocks(text, "page.md")
    return block


def test_marks_stand_on_the_line_before() -> None:
    text = "text\n<!-- not run: needs docker -->\n```sh\ndocker run x\n```\n"
    assert block_of(text).not_run == "needs docker"
    assert block_of(text.replace("-->\n", "-->\n\n")).not_run is None
    assert (
        block_of("<!-- run by: tests/a/test_b.py -->\n```sh\nx\n```\n").run_by
        == "tests/a/test_b.py"
    )


def test_a_block_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match=r"page\.md:2: this block never ends"):
        blocks("text\n```sh\nls\n", "page.md")


def test_programs_are_told_from_their_arguments() -> None:
    text = (
        "```sh\ncd x && A=1 python -m samples.serve_ray.serve --port 1 &\n"
        "tritonserver \\\n  --model x  # kill it\nkill $!\npython tools/run.py | bin/other\n"
        "cmake -S x -DY=\"$(python -c 'import torch; print(1)')\"\n```\n"
    )
    assert programs_of(block_of(text)) == ["serve", "tritonserver", "run.py", "other", "cmake"]


def test_pages_run_without_what_the_tests_alone_need(tmp_path: Path) -> None:
    with Workplace(tmp_path, tmp_path) as place:
        missing = Block("docs/x.md", 1, "sh", "! python -c 'import sklearn'\n")
        place.run(missing)
        place.run(replace(missing, text="python -c 'import numpy, vmamba_deploy'\n"))


def test_a_failing_block_is_told_with_its_place_and_output(tmp_path: Path) -> None:
    failing = Block("docs/x.md", 7, "sh", "echo something went wrong; false; echo unseen\n")
    with (
        Workplace(tmp_path, tmp_path) as place,
        pytest.raises(AssertionError, match=r"docs/x\.md:7 ended with 1:") as told,
    ):
        place.run(failing)
    assert "\nsomething went wrong" in str(told.value)
    assert "\nunseen" not in str(told.value)


def test_what_a_page_leaves_running_is_ended(tmp_path: Path) -> None:
    with Workplace(tmp_path, tmp_path) as place:
        place.run(Block("docs/x.md", 1, "sh", "sleep 600 & echo $! > pid\n"))
        number = int((place.folder / "pid").read_text())
        assert is_running(number)
    wait_until(lambda: not is_running(number))


def test_a_warm_command_has_the_callers_streams_arguments_and_exit_code(
    tmp_path: Path, warm: str
) -> None:
    with Workplace(tmp_path, tmp_path, warm) as place:
        (place.folder / "block_1.py").write_text(
            "import sys\nprint('torch' in sys.modules, sys.argv[1], input())\nsys.exit(3)\n"
        )
        told = "code=0; echo in | {} python block_1.py arg > told || code=$?\ntest $code -eq 3\n"
        place.run(Block("docs/x.md", 1, "sh", told.format("")))
        assert (place.folder / "told").read_text() == "True arg in\n"
        # It may be read while PyTorch is loaded.
        place.run(Block("docs/x.md", 2, "sh", told.format("OMP_NUM_THREADS=1")))
        assert (place.folder / "told").read_text() == "False arg in\n"


def test_a_warm_command_ends_with_its_caller(tmp_path: Path, warm: str) -> None:
    with Workplace(tmp_path, tmp_path, warm) as place:
        (place.folder / "block_1.py").write_text(
            "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
        )
        started = "python block_1.py > pid &\nuntil test -s pid; do sleep 0.1; done\n"
        place.run(Block("docs/x.md", 1, "sh", started))
        number = int((place.folder / "pid").read_text())
        assert is_running(number)
    wait_until(lambda: not is_running(number))
