"""Every licence is accepted and every pin has its hashes; what an audit finds is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import audit


def test_the_licences_of_what_is_installed_are_accepted() -> None:
    assert audit.unaccepted_licences() == []


def test_every_pin_but_pytorch_has_hashes() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (audit.ROOT / name).read_text()
        pins = [part for part in re.split(r"\n(?=\w)", text) if "==" in part]
        assert len(pins) > 30
        assert [pin for pin in pins if "--hash=sha256:" not in pin] == []
        assert "://" not in text
    pins = (audit.ROOT / "requirements-torch.txt").read_text().splitlines()
    assert [pin.partition("==")[0] for pin in pins if not pin.startswith("#")] == ["torch"]


def test_every_pin_is_asked_about() -> None:
    pins = audit.pinned()
    names = {pin.partition("==")[0] for pin in pins}
    assert {"torch", "numpy", "pytest", "onnxruntime"} <= names
    assert not [pin for pin in pins if "hash" in pin or "\\" in pin]


@pytest.fixture
def answer(tmp_path: Path) -> Path:
    """A program that answers as pip-audit would: what is written to `answer.json` beside it."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat {tmp_path / 'answer.json'}\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("answered", "code", "told"),
    [
        ("a traceback", 4, "no source of them answers"),
        ({"name": "pillow", "skip_reason": "not found"}, 4, "no source of them answers"),
        ({"name": "pillow", "version": "13.0.0", "vulns": []}, 0, "advisories: none"),
        (
            {
                "name": "pillow",
                "version": "9.0.0",
                "vulns": [{"id": "PYSEC-1", "fix_versions": ["9.0.1"]}],
            },
            1,
            "advisory: pillow 9.0.0: PYSEC-1, fixed in 9.0.1",
        ),
    ],
)
def test_what_was_answered_is_told(answer, capsys, answered, code, told) -> None:
    document = answered if isinstance(answered, str) else json.dumps({"dependencies": [answered]})
    answer.with_name("answer.json").write_text(document)
    assert audit.main(answer) == code
    assert told in capsys.readouterr().out


def test_a_licence_that_is_not_accepted_is_told(monkeypatch, answer, capsys) -> None:
    answer.with_name("answer.json").write_text(json.dumps({"dependencies": []}))
    monkeypatch.setattr(audit, "_licence", lambda found: "AGPL-3.0 AND MIT")
    assert audit.main(answer) == 1
    assert "licence not accepted: numpy" in capsys.readouterr().out
