from __future__ import annotations

import pytest

import vmamba_deploy
from vmamba_deploy import models


@pytest.mark.parametrize("name", models.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(models, name) is not None


def test_the_package_offers_the_two_ways_to_a_network() -> None:
    assert vmamba_deploy.create_model is models.create_model
    assert vmamba_deploy.load_model is models.load_model


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = models.nothing
