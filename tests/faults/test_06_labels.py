"""Labels of the wrong number, of the wrong kind, or with commands for a terminal in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.artifacts.rewriting import rewrite
from tests.faults.asking import ask, assert_plain
from tests.faults.conftest import Refuses
from vmamba_deploy.errors import ExitCode

TEN = [str(number) for number in range(10)]
WRONG: dict[str, Any] = {
    "too few": TEN[:9],
    "too many": [*TEN, "10"],
    "numbers": list(range(10)),
    "one is none": [*TEN[:9], None],
    "a text": "0123456789",
    "by number": dict(enumerate(TEN)),
    "commands": [*TEN[:9], "\x1b[2J"],
    "lists": [[one] for one in TEN],
}


def with_labels(labels: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "manifest.json"
        document = json.loads(path.read_text())
        document["labels"] = labels
        path.write_text(json.dumps(document))

    return apply


@pytest.mark.parametrize("kind", list(WRONG))
@pytest.mark.parametrize("command", ["info", "predict"])
def test_labels_that_cannot_be(
    refuses: Refuses, copied: Path, image: Path, command: str, kind: str
) -> None:
    with_labels(WRONG[kind])(copied)
    asked = {"info": ["info", copied], "predict": ["predict", copied, image]}
    refuses(list(asked[command]), ExitCode.INTEGRITY, "manifest.json")


ODD = ["[/b]", "[red]", "ä ö ü", "数字", "🐍", " ", "a" * 60, "{}%s", "--output", "../../etc"]


@pytest.mark.parametrize("label", ODD, ids=lambda label: ascii(label[:12]))
def test_a_label_of_any_text_is_shown_as_it_is(copied: Path, image: Path, label: str) -> None:
    rewrite(copied, labels=[label, *TEN[1:]])
    answer = ask("predict", copied, image, "--runtime", "ort")
    assert answer.code == ExitCode.OK, answer.err
    assert_plain(answer)
    assert label[:40].strip() in answer.out


def test_without_labels_a_class_is_its_number(copied: Path, image: Path) -> None:
    rewrite(copied, labels=None)
    answer = ask("predict", copied, image, "--runtime", "ort")
    assert answer.code == ExitCode.OK, answer.err
    assert image.parent.name in answer.out
