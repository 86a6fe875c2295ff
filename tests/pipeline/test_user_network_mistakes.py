"""Each mistake with a network of a user's ends with one message, which the page on it explains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from vmamba_deploy.cli.app import cli
from vmamba_deploy.errors import ExitCode

PAGE = Path(__file__).parents[2] / "docs" / "your_network.md"
_ROW = re.compile(r"^\| `([^`]+)` \| (\d) \|", re.MULTILINE)
ROWS = dict(_ROW.findall(PAGE.read_text(encoding="utf-8").partition("## Messages")[2]))

NETWORK = """
import torch
from torch import nn
from torch.nn import functional as F
import vmamba_deploy.ops.selective_scan_2d.torch_op


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, stride=4)
        self.proj = nn.Linear(width, 16, bias=False)
        self.dt = nn.Parameter(torch.randn(4, 2, width))
        self.rate = nn.Parameter(-torch.rand(4, 1, width))
        self.skip = nn.Parameter(torch.ones(4, width))

    def scan(self, image):
        x = self.stem(image).permute(0, 2, 3, 1).contiguous()
        zero = torch.zeros_like(self.skip)
        op = torch.ops.vmamba.selective_scan_2d
        return op(x, self.proj(x), self.dt, zero, self.rate, self.skip, 1)

    def forward(self, image, gain=None):
        return self.scan(image)


def build():
    return Net()
"""


def giving(expression: str) -> str:
    """A network whose forward returns that."""
    return NETWORK.replace("return self.scan(image)", f"return {expression}")


def building(body: str) -> str:
    """A file whose build() has that body."""
    return NETWORK.replace("    return Net()\n", f"    {body}\n")


@dataclass(frozen=True)
class Mistake:
    """What is wrong, the row of the page that tells it, and words of the message or the hint."""

    row: str
    words: str
    source: str = NETWORK
    arguments: Sequence[str] = field(default=())
    function: str = "build"
    inputs: Sequence[str] = ("image=1x3x32x32",)


MISTAKES = {
    "no file": Mistake("there is no file ...", "net.py", source=""),
    "no function": Mistake("... has no function ...", "it has build, Net", function="biuld"),
    "no package": Mistake(
        "importing ... raised ModuleNotFoundError ...",
        r"No module named 'einops_of_nobody' \(net.py, line 1\)(.|\n)*pip install einops_of_nobody",
        source="import einops_of_nobody.layers\n" + NETWORK,
    ),
    "build raises": Mistake(
        "build() of ... raised ...",
        r"raised ValueError: no such size \(net.py, line \d+\)",
        source=building("raise ValueError('no such size')"),
    ),
    "the file ends the program": Mistake(
        "importing ... raised ModuleNotFoundError ...",
        r"raised SystemExit: 3 \(net.py, line 1\)(.|\n)*if __name__ == '__main__'",
        source="raise SystemExit(3)\n",
    ),
    "no module": Mistake(
        "build() of ... returned ..., expected a torch.nn.Module",
        "returned OrderedDict",
        source=building("return Net().state_dict()"),
    ),
    "other weights": Mistake(
        "... does not fit the network; nothing was loaded.",
        r"6 of the wrong shape(.|\n)*stem.bias: file \(8,\), network \(4,\)",
        source=building("return Net(4)"),
        arguments=("--weights", "w.pth"),
    ),
    "unknown input": Mistake(
        "forward() of ... takes no ...", "it takes image, gain", inputs=("imgae=1x3x32x32",)
    ),
    "missing input": Mistake(
        "forward() of ... needs ..., and nothing says what it is",
        "add --input image=SHAPE",
        inputs=("gain=1x8",),
    ),
    "another size": Mistake(
        "forward() of ... raised ...",
        r"raised RuntimeError: .*expected input.*to have 3 channels",
        inputs=("image=1x4x32x32",),
    ),
    "no tensor": Mistake(
        "the output ... is ..., expected a tensor",
        "the output output_1 is NoneType",
        source=giving("self.scan(image), gain"),
    ),
    "nested": Mistake(
        "the output ... is ..., expected a tensor",
        "the output maps is list",
        source=giving("{'maps': [self.scan(image)]}"),
    ),
    "truth values": Mistake(
        "the output ... is torch.bool, expected floats, int32 or int64",
        r"\.to\(torch\.int32\)",
        source=giving("self.scan(image) > 0"),
    ),
    "other names": Mistake(
        "--outputs names ... outputs, forward() gives ...",
        "names 2 outputs, forward.. gives 1",
        arguments=("--outputs", "a,b"),
    ),
    "no scan": Mistake(
        "... calls no operator of this package: ...",
        "net.py:build calls no operator of this package: Net has no selective scan",
        source=giving("self.stem(image)"),
    ),
    "no trace": Mistake(
        "PyTorch could not export the model to ONNX: ...",
        "--dynamic none fixes every axis",
        source=giving("self.scan(image) if image.mean() > 0 else image"),
    ),
    "a number of its own": Mistake(
        "the network makes a number of a free axis: axis ... of ... is always ...",
        "axis 0 of gain is always 2.*leave it out of --dynamic",
        source=giving("self.scan(image) * gain.reshape(gain.shape[0].__index__(), 1, 1, -1)"),
        inputs=("image=1x3x32x32", "gain=1x8"),
        arguments=("--dynamic", "image=0:a", "--dynamic", "gain=0:b"),
    ),
    "one of two sizes that go together is free": Mistake(
        "the network does not run on ...: ...",
        r"image \[1, 3, (?!32)\d+, \d+\], gain \[1, 3, 32, 32\]: RuntimeError: .*have one name",
        source=giving("torch.cat([self.scan(image), self.scan(gain)], -1)"),
        inputs=("image=1x3x32x32", "gain=1x3x32x32"),
        arguments=("--dynamic", "image=2:h,3:w"),
    ),
}


def run(place: Path, mistake: Mistake) -> tuple[int, str]:
    if mistake.source:
        (place / "net.py").write_text(mistake.source)
    scope: dict[str, object] = {}
    exec(compile(NETWORK, "net", "exec"), scope)
    torch.save(scope["build"]().state_dict(), place / "w.pth")
    arguments = [str(place / one) if one == "w.pth" else one for one in mistake.arguments]
    inputs = [word for one in mistake.inputs for word in ("--input", one)]
    network = ["--network", f"{place}/net.py:{mistake.function}"]
    options = ["--no-engine", "-o", str(place / "out")]
    result = CliRunner().invoke(cli, ["export", *network, *inputs, *options, *arguments])
    return result.exit_code, result.output


def pattern(row: str) -> str:
    return ".*".join(re.escape(piece) for piece in row.split("..."))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_as_the_page_says(name: str, tmp_path: Path) -> None:
    mistake = MISTAKES[name]
    code, output = run(tmp_path, mistake)
    flat = " ".join(output.split())
    row = mistake.row.replace("ModuleNotFoundError ...", "...")
    assert re.search(pattern(row), flat), output
    assert re.search(mistake.words, flat), output
    assert code == int(ROWS[mistake.row]), output
    assert "Traceback" not in output
    assert not (tmp_path / "out").exists()


def test_every_message_of_the_page_is_given_by_a_mistake() -> None:
    elsewhere = {"parity failed: ...", "..., was left as it is: ..."}
    assert ROWS.keys() - {one.row for one in MISTAKES.values()} == elsewhere


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "t"], "--model is of the networks of this package"),
        (["--image-size", "64"], "--input image=1x3x256x256"),
        (["--dynamic-size"], "--dynamic image=0,2,3"),
        (["--aoti"], "--aoti is of the networks of this package"),
        (["--task", "features"], "--task is of the networks of this package"),
        (["--preprocess"], "--preprocess is of the networks of this package"),
        (["--dynamic", "mask=0"], "--dynamic names mask, which is no input"),
        (["--mean", "0.5,0.4"], "--mean has 2 values, but the network takes 3 channels"),
        (["--outputs", "a:picture"], "the kinds are logits, map, image, label_map"),
        (["--outputs", "a:logits"], r"logits are \[batch, classes\]"),
        (["--outputs", "a:label_map"], "is torch.float32, which a label_map is not"),
        (["--outputs", "image"], "is the name of an input and of an output"),
        (["--inline"], "an inlined file has no op for the engine's plugin"),
    ],
)
def test_options_that_contradict_the_network_are_refused(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text(NETWORK)
    network = ["--network", f"{tmp_path}/net.py:build", "--input", "image=1x3x32x32"]
    output = ["-o", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, ["export", *network, *output, *arguments])
    assert result.exit_code == ExitCode.USAGE, result.output
    assert re.search(words, " ".join(result.output.split())), result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--network", "net.py"], "does not name a function of a file"),
        (["--network", "net.py:build"], "name each input of forward"),
        (["--model", "t", "--input", "image=1x3x4x4"], "--input is of a network of your own"),
        (["--model", "t", "--dynamic", "none"], "--dynamic is of a network of your own"),
    ],
)
def test_what_is_said_of_no_network_is_refused(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(cli, ["export", *arguments])
    assert result.exit_code == ExitCode.USAGE, result.output
    assert words in " ".join(result.output.split())


def test_what_the_users_code_prints_stays_out_of_the_json_lines(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("print('imported')\n" + building("print('built'); return 1"))
    network = ["--network", f"{tmp_path}/net.py:build", "--input", "image=1x3x32x32"]
    result = CliRunner().invoke(cli, ["export", *network, "--json"])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "imported" in result.stderr
    assert "built" in result.stderr
    assert "imported" not in result.stdout
    assert "built" not in result.stdout
