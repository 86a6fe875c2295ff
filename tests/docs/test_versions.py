"""The oldest ONNX Runtime is one number: of the package, of the native library and of the pages."""

from __future__ import annotations

import re
import tomllib

from tests.docs.pages import CHECKOUT

_NAMED = re.compile(r"ONNX\s+Runtime (\d+\.\d+) (?:or|and) newer")


def oldest() -> str:
    """As `pip install` asks for it."""
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        extra = tomllib.load(file)["project"]["optional-dependencies"]["inference"]
    (version,) = (one.partition(">=")[2] for one in extra if one.startswith("onnxruntime>="))
    return version


def test_the_library_asks_for_the_interface_of_the_oldest() -> None:
    source = (CHECKOUT / "plugins" / "onnxruntime" / "register.cpp").read_text(encoding="utf-8")
    (interface,) = re.findall(r"kOrtApiVersion = (\d+);", source)
    assert f"1.{interface}" == oldest()


def test_pages_name_no_other() -> None:
    pages = [*(CHECKOUT / "docs").glob("*.md"), CHECKOUT / "plugins" / "README.md"]
    named = [number for page in pages for number in _NAMED.findall(page.read_text("utf-8"))]
    assert len(named) >= 3
    assert {*named} == {oldest()}
