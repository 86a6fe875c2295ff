"""Options, presets, extras and figures on the pages are those of the code."""

from __future__ import annotations

import inspect
import json
import re
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import click
import pytest

from tests.docs.pages import CHECKOUT, DOCS, blocks, name_of, site_pages, without_blocks
from vmamba_deploy.artifacts.manifest import Manifest
from vmamba_deploy.cli import words
from vmamba_deploy.cli.app import cli
from vmamba_deploy.inference import RUNTIMES
from vmamba_deploy.models.vmamba.presets import ALIASES, PRESETS
from vmamba_deploy.parity.kinds.logits import LogitsMetrics
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.preprocessing.specification import MAX_PIXELS, SPECIFICATION, Preprocessing
from vmamba_deploy.reports.evaluation_views.classification import EvaluationDocument
from vmamba_deploy.reports.model import Report

_CODE = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
_CALL = re.compile(
    r"^\s*(?:vmamba-deploy (?P<name>(?:analyze )?[a-z-]+)|python export\.py)(?P<rest>.*)$"
)
_PRESET = re.compile(r"\b(?:vanilla_)?vmamba_(?:tiny|small|base)(?:_s\d+l\d+)?\b")
# Of other programs, which the prose names beside ours.
_OTHERS = {
    "--extra-index-url": "pip",
    "--plugins": "polygraphy",
    **{f"--{word}": "other tools, taken for ours" for word in words.SAME},
}


def commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    known = {name: command for name, command in found.items() if command is not None}
    for name, group in [*known.items()]:
        if isinstance(group, click.Group):
            known |= {f"{name} {below}": each for below, each in group.commands.items()}
    return known


def options_of(command: click.Command) -> set[str]:
    declared = {
        text
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for text in (*parameter.opts, *parameter.secondary_opts)
    }
    return declared | {"--help", "-h"}


OPTIONS = {name: options_of(command) for name, command in commands().items()}


def calls(page: Path) -> list[tuple[int, str, str]]:
    """(line, command, arguments) of each call of ours in the page's blocks."""
    found = []
    for block in blocks(page.read_text(encoding="utf-8"), name_of(page)):
        text = block.text.replace("\\\n", " ")
        for line in text.splitlines() if block.language == "sh" else []:
            called = _CALL.match(line)
            if called:
                rest = re.split(r"\s(?:\||&&|#|>)", called["rest"])[0]
                found.append((block.line, called["name"] or "export", rest))
    return found


@pytest.mark.parametrize("page", [*site_pages(), CHECKOUT / "README.md"], ids=name_of)
def test_commands_on_a_page_have_the_options_that_it_gives_them(page: Path) -> None:
    for line, command, rest in calls(page):
        unknown = set(_OPTION.findall(rest)) - OPTIONS[command]
        assert not unknown, f"{name_of(page)}:{line}: {command} has no {', '.join(unknown)}"


# Pages that are about our commands alone, so that every option in their prose is ours.
_OURS = (
    "export",
    "get_started",
    "python",
    "preprocessing",
    "report",
    "troubleshooting",
    "tensorrt",
)


@pytest.mark.parametrize("name", _OURS)
def test_options_in_the_prose_exist(name: str) -> None:
    prose = without_blocks((DOCS / f"{name}.md").read_text(encoding="utf-8"))
    known = set().union(*OPTIONS.values()) | set(_OTHERS)
    named = {option for code in _CODE.findall(prose) for option in _OPTION.findall(code)}
    assert named <= known, f"{name}.md names {sorted(named - known)}"


@pytest.mark.parametrize("command", ["export", "build", "compare", "bench"])
def test_the_page_on_exports_has_every_option(command: str) -> None:
    text = (DOCS / "export.md").read_text(encoding="utf-8")
    long = {option for option in OPTIONS[command] if option.startswith("--")} - {"--help"}
    assert not sorted(option for option in long if not re.search(rf"{option}(?![\w-])", text))


@pytest.mark.parametrize("command", ["analyze receptive-field", "analyze resolution"])
def test_the_page_on_analyses_has_every_option(command: str) -> None:
    text = (DOCS / "analysis.md").read_text(encoding="utf-8")
    usual = {"--help", "--json", "--quiet", "--verbose", "--version"}
    long = {option for option in OPTIONS[command] if option.startswith("--")} - usual
    assert not sorted(option for option in long if not re.search(rf"{option}(?![\w-])", text))


def test_the_figures_of_the_page_on_analyses_are_those_of_its_files() -> None:
    text = (DOCS / "analysis.md").read_text(encoding="utf-8")
    drawn = sorted(path.parent for path in (DOCS / "figures" / "analysis").glob("*/*.svg"))
    assert drawn
    for folder in drawn:
        (file,) = folder.glob("*.json")
        assert f"figures/analysis/{folder.name}/{file.stem}.svg" in text
        found = json.loads(file.read_text(encoding="utf-8"))
        for one in found.get("fields", ()):
            reach = {each["share"]: each for each in one["extents"]}
            row = f"| {one['state']} | {reach[0.5]['radius_pixels']:.0f} |"
            row += f" {reach[0.95]['radius_pixels']:.0f} | {reach[0.95]['square_share']:.1%} |"
            assert f"| `{one['network']}` | {found['image_size'][0]} {row}" in text
        for curve in found.get("curves", ()):
            (row,) = re.findall(rf"^\| `{re.escape(curve['network'])}` \|.* G \|.*$", text, re.M)
            told = {each["side"]: each for each in curve["figures"]}
            cells = [
                f"{told[side]['cpu_ms']:.0f} ms, "
                f"{(told[side]['peak_bytes'] - told[side]['empty_bytes']) / 1e6:.0f} MB, "
                f"{told[side]['multiply_adds'] / 1e9:.1f} G"
                for side in (128, 256, 512, 1024)
            ]
            powers = (curve["exponents"][name] for name in ("cpu_time", "multiply_adds"))
            cells += [f"{power:.2f}" for power in powers]
            assert row.endswith(f"| {' | '.join(cells)} |")


def test_the_page_on_exports_has_every_preset_and_manifest_key() -> None:
    text = (DOCS / "export.md").read_text(encoding="utf-8")
    for name in (*PRESETS, *ALIASES, *Manifest.__struct_fields__):
        assert f"`{name}`" in text, f"export.md lacks {name}"


def test_no_page_names_a_preset_that_does_not_exist() -> None:
    for page in site_pages():
        named = re.findall(
            r"\b(?:vanilla_)?vmamba_(?:tiny|small|base)(?:_s\d+l\d+)?\b", page.read_text()
        )
        unknown = set(named) - set(PRESETS)
        assert not unknown, f"{name_of(page)}: {unknown}"


def test_the_page_on_python_has_every_extra_and_runtime() -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra in set(project["optional-dependencies"]) - {"dev"}:
        assert f"| `{extra}` |" in text, f"python.md lacks the extra {extra}"
    for runtime in RUNTIMES:
        assert f'`"{runtime}"`' in text, f"python.md lacks the runtime {runtime}"


def test_the_page_on_python_has_every_option_of_load() -> None:
    load = import_module("vmamba_deploy.inference").load
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    for parameter in inspect.signature(load).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            default = f'"{parameter.default}"' if parameter.name == "runtime" else parameter.default
            row = re.search(rf"^\| `{parameter.name}` \| `?([^|`]+?)`? \|", text, re.MULTILINE)
            assert row is not None, f"python.md lacks {parameter.name}"
            assert row[1] == str(default)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_limits_on_the_page_are_the_table_s(precision: str) -> None:
    text = (DOCS / "report.md").read_text(encoding="utf-8")
    for name, expected in (
        (precision, PRECISIONS[precision].thresholds),
        (f"{precision}, one colour", PRECISIONS[precision].flat_thresholds),
    ):
        row = re.search(rf"^\| {name} \| (\S+) \| 1 - (\S+) \| (\S+) \|$", text, re.MULTILINE)
        assert row is not None, name
        shown = float(row[1]), 1 - float(row[2]), float(row[3])
        assert shown == (expected.nmse, expected.cosine, expected.max_spread)


def test_the_page_on_reports_explains_every_figure() -> None:
    text = (DOCS / "report.md").read_text(encoding="utf-8")
    for name in (field.name for field in fields(LogitsMetrics)):
        assert f"| `{name}` |" in text, f"report.md lacks {name}"
    for document in (Report, EvaluationDocument):
        for name in document.__dataclass_fields__:
            assert f"`{name}`" in text or f"`{name}[]`" in text, f"report.md lacks {name}"


def test_the_specification_s_numbers_are_the_code_s() -> None:
    text = (DOCS / "preprocessing.md").read_text(encoding="utf-8")
    published = Preprocessing()
    assert f"{MAX_PIXELS:,} pixels" in text
    assert (
        f"| `specification` | version of this page; another one is refused | {SPECIFICATION} |"
        in text
    )
    for key, value in published.as_manifest().items():
        assert f"`{key}`" in text, key
        if isinstance(value, list):
            assert str(value) in text
    side = published.for_size((32, 32)).resize_pixels
    assert f"gets S = {side}" in text
