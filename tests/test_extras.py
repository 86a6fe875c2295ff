import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vmamba_deploy import extras
from vmamba_deploy.errors import EnvironmentProblem, ExitCode
from vmamba_deploy.extras import MODULES, missing_module, require_modules

PROJECT = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
# Modules that come with another distribution than the one of their name.
BROUGHT_BY = {"cuda": "cuda-core", "markupsafe": "jinja2"}


@pytest.mark.parametrize(("module", "extra"), MODULES.items())
def test_the_extra_brings_the_module(module, extra):
    needed = PROJECT["project"]["optional-dependencies"][extra]
    names = {Requirement(one).name for one in needed}
    assert BROUGHT_BY.get(module, module.replace("_", "-")) in names


def test_a_missing_module_is_told_with_the_command_that_brings_it(monkeypatch):
    require_modules("jinja2", "torch")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(EnvironmentProblem, match="needs the Python module torch") as caught:
        require_modules("jinja2", "torch")
    assert caught.value.hint == "pip install 'vmamba-deploy[export]'"
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


@pytest.mark.parametrize("name", ["torch.nn", "onnx"])
def test_submodules_count_as_their_package(name):
    assert missing_module(name) is not None


@pytest.mark.parametrize("name", [None, "", "vmamba_deploy.typo", "json"])
def test_other_modules_are_bugs(name):
    assert missing_module(name) is None
