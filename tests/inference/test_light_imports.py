"""A machine that serves carries neither PyTorch nor what exports a model."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

from tests.processes import HANG_S

HEAVY = (
    "torch",
    "onnx",
    "onnxscript",
    "onnx_ir",
    "polygraphy",
    "matplotlib",
    "jinja2",
    "scipy",
    "ray",
)
PROGRAM = f"""
import sys

HEAVY = {HEAVY!r}

class Absent:
    # As on a machine where they are not installed.
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)

sys.meta_path.insert(0, Absent())
from vmamba_deploy.inference import load

for runtime in ("auto", "ort"):
    with load(sys.argv[1], runtime=runtime) as model:
        print(model.classify(sys.argv[2:])[0][0].label)
assert not [name for name in HEAVY if name in sys.modules]
"""


def test_classifying_imports_nothing_heavy(artifact, images):
    command = [sys.executable, "-c", PROGRAM, str(artifact), str(images[0])]
    result = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [images[0].parent.name] * 2


def closure(requirement: Requirement, extra: str = "") -> dict[str, int]:
    """Size in bytes of each installed distribution that a requirement brings."""
    found: dict[str, int] = {}
    waiting = [(requirement.name, tuple(requirement.extras) or (extra,))]
    while waiting:
        name, extras = waiting.pop()
        dist = distribution(name)
        key = f"{dist.metadata['Name'].lower()}{sorted(extras)}"
        if key in found:
            continue
        found[key] = sum(file.size or 0 for file in dist.files or ())
        for text in dist.requires or ():
            needed = Requirement(text)
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": one}) for one in (*extras, "")):
                waiting.append((needed.name, tuple(needed.extras) or ("",)))
    return found


def test_the_extra_inference_is_small():
    try:
        sizes = closure(Requirement("vmamba-deploy[inference]"))
    except PackageNotFoundError as error:
        pytest.fail(f"the extra needs {error}, which the requirements do not pin")
    names = {key.partition("[")[0].replace("-", "_") for key in sizes}
    assert not names & set(HEAVY)
    assert {"onnxruntime", "cuda_core", "numpy", "pillow"} <= names
    # PyTorch's CPU build alone is 700 MB.
    assert sum(sizes.values()) < 300e6, sizes
