from __future__ import annotations

import pytest

from vmamba_deploy.addresses import without_secrets


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://host/w.pth?token=1&x=2#sha256=ab", "https://host/w.pth#sha256=ab"),
        ("https://me:key@host/w.pth", "https://host/w.pth"),
        ("--weights=https://host/a@b.pth?key", "--weights=https://host/a@b.pth"),
        ("what?.pth", "what?.pth"),
        ("me@host.pth", "me@host.pth"),
    ],
)
def test_a_key_is_not_written_down(given: str, kept: str) -> None:
    assert without_secrets(given) == kept
