"""What hints and messages tell people to run exists: commands, their options and their choices."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

import vmamba_deploy
from vmamba_deploy.cli import cli

SOURCES = Path(vmamba_deploy.__file__).parent
ANYTHING = "ANYTHING"  # what an f-string puts in
OPTION = re.compile(r"(?<![\w`-])--[a-z][a-z0-9-]*")
OURS = re.compile(r"\bvmamba-deploy ([^`;:,]*)")

OTHERS = re.compile(
    r"\b(pip install|install it again|apt-get|zip|docker|tritonserver|ray start)\b[^`;,]*"
)


def texts_of(node: ast.AST) -> Iterator[str]:
    """The strings of an expression, each as it would be read."""
    if isinstance(node, ast.JoinedStr):
        parts = (each.value if isinstance(each, ast.Constant) else ANYTHING for each in node.values)
        yield "".join(map(str, parts))
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts_of(child)


def told() -> list[tuple[str, str]]:
    """(where, text) of everything that is said to a person: hints, and arguments of errors."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(getattr(node, "func", None), "id", "")
            if isinstance(node, ast.Call):
                said = [each.value for each in node.keywords if each.arg in ("hint", "remedy")]
                if name.endswith(("Error", "Problem", "Ability")):
                    said += node.args
                where = f"{path.relative_to(SOURCES)}:{node.lineno}"
                found += [(where, text) for each in said for text in texts_of(each)]
    return found


def options_of(command: click.Command) -> dict[str, click.Parameter]:
    return {name: each for each in command.params for name in (*each.opts, *each.secondary_opts)}


TOLD = told()
CONTEXT = click.Context(cli)
COMMANDS = {name: cli.get_command(CONTEXT, name) for name in cli.list_commands(CONTEXT)}
BELOW = [one for each in COMMANDS.values() for one in getattr(each, "commands", {}).values()]
EVERY_OPTION = {name for command in (*COMMANDS.values(), *BELOW) for name in options_of(command)}
NAMED = [(where, text, found[1]) for where, text in TOLD for found in OURS.finditer(text)]


def test_options_that_are_told_exist():
    said = [(where, text) for where, text in TOLD if OPTION.search(text)]
    assert len(said) > 40
    for where, text in said:
        # What belongs to another program stands with it.
        own = OTHERS.sub("", text)
        assert set(OPTION.findall(own)) <= EVERY_OPTION, (where, text)


def test_commands_that_are_told_exist_with_their_options():
    assert len(NAMED) > 5
    for where, text, rest in NAMED:
        words = shlex.split(rest)
        if words and words[0].islower() and not words[0].startswith("-"):
            assert words[0] in COMMANDS, (where, text)
            check_words(COMMANDS[words.pop(0)], words, where)


def check_words(command: click.Command, words: list[str], where: str) -> None:
    options = options_of(command)
    for word, value in zip(words, [*words[1:], ANYTHING], strict=False):
        if word.startswith("--"):
            assert word in options, (where, word)
            kind = options[word].type
            fits = not isinstance(kind, click.Choice) or value in (ANYTHING, *kind.choices)
            assert fits, (where, word, value)
