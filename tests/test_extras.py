import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from vmamba_deploy import extras
from vmamba_deploy.errors import EnvironmentProblem, ExitCode
from vmamba_deploy.extras import MODULES, install_command, missing_module, require_modules
from vmamba_deploy.pipeline.doctor import Finding, remedy_of
from vmamba_deploy.pipeline.requirements import require_for_export
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan

PROJECT = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
# Modules that come with another distribution than the one of their name.
BROUGHT_BY = {
    "cuda": "cuda-core",
    "tensorrt": "tensorrt-cu13",
    "tensorrt_rtx": "tensorrt-rtx-cu13",
    "markupsafe": "jinja2",
}


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


@pytest.mark.parametrize(
    ("modules", "extras"),
    [
        (["onnxruntime"], "inference"),
        (["torch", "jinja2", "onnxruntime"], "export"),
        (["timm", "torch"], "compare"),
        (["torch", "tensorrt_rtx", "ray"], "export,ray,rtx"),
    ],
)
def test_one_command_names_no_extra_that_another_brings(modules, extras):
    assert install_command(*modules) == f"pip install 'vmamba-deploy[{extras}]'"


def test_what_an_extra_brings_along_is_what_the_project_says():
    optional = PROJECT["project"]["optional-dependencies"]

    def within(extra):
        ours = [Requirement(one) for one in optional[extra]]
        named = {each for one in ours if one.name == "vmamba-deploy" for each in one.extras}
        return named.union(*map(within, named)) if named else named

    for extra in {*MODULES.values()}:
        assert {*extras._WITHIN.get(extra, ())} == within(extra), extra


@pytest.fixture
def only_inference(monkeypatch):
    """A machine with `pip install vmamba-deploy[inference]`."""
    there = {"onnxruntime", "cuda"}

    def find_spec(name):
        return name if name in there else None

    monkeypatch.setattr(extras, "find_spec", find_spec)
    monkeypatch.setattr("importlib.util.find_spec", find_spec)
    return there


@pytest.mark.parametrize(
    ("engine", "extras"),
    [
        (None, "export"),
        (EnginePlan(), "export,rtx"),
        (EnginePlan(flavour="tensorrt"), "export,tensorrt"),
    ],
)
def test_an_export_asks_for_all_that_is_missing_at_once(only_inference, engine, extras):
    with pytest.raises(EnvironmentProblem, match="torch, onnx, onnx_ir") as caught:
        require_for_export(engine)
    assert caught.value.hint == f"pip install 'vmamba-deploy[{extras}]'"
    assert ("tensorrt" in caught.value.message) == (engine is not None)


def test_tensorrt_alone_is_left_to_what_knows_the_gpu(only_inference, monkeypatch):
    only_inference |= {name for name, extra in MODULES.items() if extra in ("export", "evaluate")}
    require_for_export(EnginePlan())


def test_doctor_ends_with_one_command():
    def finding(area, name, level="missing"):
        return Finding(area, name, level, "not installed")

    python = [finding("python", name) for name in ("torch", "onnxruntime")]
    engine = finding("runtimes", "TensorRT engine")
    assert remedy_of([*python, engine]) == "pip install 'vmamba-deploy[export,rtx]'"
    assert remedy_of([finding("native", "library"), finding("python", "onnx", "ok")]) is None
