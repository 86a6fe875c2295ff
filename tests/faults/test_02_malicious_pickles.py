"""Pickles that ask for something to be run: nothing is, whatever else comes of the file."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.faults.asking import ask, assert_plain, assert_refused
from vmamba_deploy.errors import ExitCode

CALLS: dict[str, tuple[str, str, Callable[[str], tuple[Any, ...]]]] = {
    "os.system": ("os", "system", lambda canary: (f"touch {canary}",)),
    "posix.system": ("posix", "system", lambda canary: (f"touch {canary}",)),
    "os.mkdir": ("os", "mkdir", lambda canary: (canary,)),
    "os.popen": ("os", "popen", lambda canary: (f"touch {canary}",)),
    "os.rename": ("os", "rename", lambda canary: ("/dev/null", canary)),
    "os.symlink": ("os", "symlink", lambda canary: ("/", canary)),
    "os.mkfifo": ("os", "mkfifo", lambda canary: (canary,)),
    "os.spawnlp": ("os", "spawnlp", lambda canary: (0, "touch", "touch", canary)),
    "eval": ("builtins", "eval", lambda canary: (f"open({canary!r}, 'w')",)),
    "exec": ("builtins", "exec", lambda canary: (f"open({canary!r}, 'w')",)),
    "open": ("builtins", "open", lambda canary: (canary, "w")),
    "io.open": ("io", "open", lambda canary: (canary, "w")),
    "_io.FileIO": ("_io", "FileIO", lambda canary: (canary, "w")),
    "codecs.open": ("codecs", "open", lambda canary: (canary, "w")),
    "getattr": ("builtins", "getattr", lambda canary: (canary, "upper")),
    "__import__": ("builtins", "__import__", lambda _: ("antigravity",)),
    "importlib": ("importlib", "import_module", lambda _: ("antigravity",)),
    "Popen": ("subprocess", "Popen", lambda canary: (["touch", canary],)),
    "check_output": ("subprocess", "check_output", lambda canary: (["touch", canary],)),
    "shutil.copy": ("shutil", "copyfile", lambda canary: ("/dev/null", canary)),
    "pathlib": ("pathlib", "Path.touch", lambda canary: (canary,)),
    "runpy": ("runpy", "run_path", lambda canary: (canary,)),
    "pty": ("pty", "spawn", lambda canary: (["touch", canary],)),
    "timeit": ("timeit", "timeit", lambda canary: (f"open({canary!r}, 'w')",)),
    "cProfile": ("cProfile", "run", lambda canary: (f"open({canary!r}, 'w')",)),
    "code": ("code", "interact", lambda _: ()),
    "pickle.loads": ("pickle", "loads", lambda canary: (_call("os", "mkdir", (canary,)),)),
    "torch.load": ("torch", "load", lambda canary: (canary,)),
    "torch.save": ("torch", "save", lambda canary: ((), canary)),
    "torch.jit": ("torch.jit", "load", lambda canary: (canary,)),
    "numpy.save": ("numpy", "save", lambda canary: (canary, 1)),
    "ctypes": ("ctypes", "CDLL", lambda canary: (canary,)),
    "functools.partial": ("functools", "partial", lambda canary: (canary,)),
    "a name with escapes": ("os\x1b[2J", "sys\x1b[31mtem", lambda canary: (canary,)),
    "nobody's": ("of.nobody", "anything", lambda canary: (canary,)),
}


def _call(module: str, name: str, arguments: tuple[Any, ...]) -> bytes:
    """A pickle of the call, protocol 2: GLOBAL, the arguments, REDUCE."""
    given = pickle.dumps(arguments, 2)[2:-1]
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + given + b"R."


def _beside_weights(call: bytes, path: Path, weights: dict[str, torch.Tensor]) -> None:
    """A checkpoint of torch with one more key, whose value is the call."""
    whole = path.with_suffix(".whole")
    torch.save({"config": None, "model": weights}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for record in source.infolist():
            data = source.read(record)
            if record.filename.endswith("data.pkl"):
                before, _, after = data.partition(b"configq\x01N")
                assert after
                data = before + b"configq\x01" + call[2:-1] + after
            target.writestr(record.filename, data)
    whole.unlink()


@pytest.mark.parametrize("where", ["alone", "beside weights"])
@pytest.mark.parametrize("what", list(CALLS))
def test_nothing_is_run(tmp_path: Path, digits_weights: Path, what: str, where: str) -> None:
    module, name, arguments = CALLS[what]
    canary, path = tmp_path / "canary", tmp_path / "weights.pth"
    call = _call(module, name, arguments(str(canary)))
    if where == "alone":
        path.write_bytes(call)
    else:
        _beside_weights(call, path, load_file(digits_weights))
    answer = ask("info", path)
    assert not canary.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights.pth"]
    assert_plain(answer)
    if where == "alone" or answer.code != ExitCode.OK:
        assert_refused(answer, ExitCode.BAD_INPUT, "weights.pth")
    else:
        assert "65690" in answer.out  # the weights, whole


def test_the_calls_would_be_seen(tmp_path: Path) -> None:
    module, name, arguments = CALLS["os.mkdir"]
    pickle.loads(_call(module, name, arguments(str(tmp_path / "canary"))))  # noqa: S301
    assert (tmp_path / "canary").exists()
