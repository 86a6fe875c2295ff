"""The wheel: what is in it, and what it says of itself."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

import vmamba_deploy

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built as pip builds it; hatchling refuses classifiers that there are not."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    built = subprocess.run(
        [*command, "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_type_checkers_see_that_the_package_is_typed(wheel: zipfile.ZipFile) -> None:
    assert "vmamba_deploy/py.typed" in wheel.namelist()


def test_every_source_is_in_it(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    package = {str(path.relative_to(ROOT)) for path in ROOT.glob("vmamba_deploy/**/*.py")}
    native = {
        f"vmamba_deploy/_{path.relative_to(ROOT)}"
        for pattern in ("*.cpp", "*.cu", "*.h", "*.cuh", "CMakeLists.txt", "*.cmake", "*.map")
        for path in (ROOT / "plugins").rglob(pattern)
    }
    assert package | native <= names
    assert not [name for name in names if name.startswith(("tests/", "samples/", "benchmarks/"))]


def test_an_index_can_show_what_it_is(metadata: Message) -> None:
    assert metadata["Version"] == vmamba_deploy.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    links = dict(link.split(", ", 1) for link in metadata.get_all("Project-URL", []))
    assert links["Paper"] == "https://arxiv.org/abs/2401.10166"
    assert all(link.startswith("https://") for link in links.values())
