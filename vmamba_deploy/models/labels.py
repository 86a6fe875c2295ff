"""What a user calls the classes: a data set by its name, a file of theirs, or the names."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vmamba_deploy.artifacts.strict_json import parse_json, require_plain_texts
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.files import read_file, shown, understood
from vmamba_deploy.models.class_names import DATA_SETS
from vmamba_deploy.models.family import ClassNames

_WHAT = "a list of labels"
_MAX_BYTES = 64 << 20
_HINT = (
    "a text file has one name a line, class 0 first; JSON a list of names, {index: name} or "
    "{name: index}; CSV lines of index,name"
)


def asked_labels(asked: str | Path | Sequence[str]) -> ClassNames:
    """The names that are asked for; how many there must be, their network knows.

    Args:
        asked: `imagenet-1k`, `coco` or `ade20k`; the path of a text file with one name a line, of
            a .json file with a list, {index: name} or {name: index}, or of a .csv file with lines
            of index,name; or the names themselves.

    Raises:
        InputFileError: the file cannot be read, or names not every class from 0 on once.
        UsageError: names that cannot be shown, or no names.
        EnvironmentProblem: the names of that data set are in a package that is not installed.
    """
    if isinstance(asked, str) and asked in DATA_SETS:
        return DATA_SETS[asked]()
    if isinstance(asked, str | Path):
        path = Path(asked)
        if not path.exists():
            raise InputFileError(
                f"there is no file of labels {shown(path)}",
                hint=f"name a file, or one of {', '.join(DATA_SETS)}",
            )
        return ClassNames(_from_file(path), None)
    return ClassNames(_checked(tuple(asked), "the list of labels", UsageError), None)


def _from_file(path: Path) -> tuple[str, ...]:
    content = read_file(path, what=_WHAT, limit_bytes=_MAX_BYTES)
    read = {".json": _from_json, ".csv": _from_csv}.get(path.suffix.lower(), _from_text)
    return _checked(read(path, content), shown(path), InputFileError)


def _checked(
    names: tuple[str, ...], where: str, error: type[InputFileError] | type[UsageError]
) -> tuple[str, ...]:
    if not names:
        raise error(f"{where} names no class", hint=_HINT)
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise error(f"{where} has a class without a name", hint=_HINT)
    try:
        require_plain_texts(list(names))
    except ValueError as problem:
        raise error(f"{where} has a label that cannot be shown: {problem}") from problem
    return names


def _from_text(path: Path, content: bytes) -> tuple[str, ...]:
    with understood(path, what=_WHAT, hint=_HINT):
        names = [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    while names and not names[-1]:
        names.pop()
    if "" in names:
        raise InputFileError(
            f"{shown(path)} line {names.index('') + 1} is empty; it must name a class", hint=_HINT
        )
    return tuple(names)


def _from_json(path: Path, content: bytes) -> tuple[str, ...]:
    from vmamba_deploy.models.checkpoints.labels import as_labels, labels_in
    from vmamba_deploy.models.checkpoints.settings import settings_of

    with understood(path, what="JSON", hint=_HINT):
        document = parse_json(content)
    labels = as_labels(_second_of_pairs(document))
    if labels is None and isinstance(document, dict):
        labels = labels_in(settings_of(document)[0])  # a config.json of transformers or timm
    if labels is None:
        raise InputFileError(
            f"{shown(path)} names no classes: expected a list of names, or a dict between names "
            "and the numbers 0, 1, ..., each once",
            hint=_HINT,
        )
    return labels


def _second_of_pairs(document: Any) -> Any:
    """{index: [WordNet id, name]}, as Keras writes ImageNet's classes, without the ids."""
    if not isinstance(document, dict):
        return document
    pairs = all(isinstance(value, list) and len(value) == 2 for value in document.values())
    return {key: value[1] for key, value in document.items()} if pairs else document


def _from_csv(path: Path, content: bytes) -> tuple[str, ...]:
    with understood(path, what="a CSV file", hint=_HINT):
        text = content.decode("utf-8-sig").splitlines()
        rows = [(line, row) for line, row in enumerate(csv.reader(text), 1) if any(row)]
    if rows and not rows[0][1][0].strip().isdecimal():
        del rows[0]  # titles
    named: dict[int, str] = {}
    for line, row in rows:
        index = row[0].strip()
        if len(row) != 2 or not index.isdecimal() or len(index) > 9:
            raise InputFileError(
                f"{shown(path)} line {line} is not index,name",
                hint='a name with a comma stands in quotes: 1,"goldfish, Carassius auratus"',
            )
        if int(index) in named:
            raise InputFileError(
                f"{shown(path)} line {line} names class {int(index)} again", hint=_HINT
            )
        named[int(index)] = row[1].strip()
    missing = next((index for index in range(len(named)) if index not in named), None)
    if missing is not None:
        raise InputFileError(
            f"{shown(path)} names {len(named)} classes, up to {max(named)}, and not class "
            f"{missing}",
            hint="classes are numbered from 0",
        )
    return tuple(named[index] for index in range(len(named)))
