"""`--config`: what a file may say, what is wrong with others, and a run that is repeated."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click
import pytest

from vmamba_deploy.artifacts.manifest import read_manifest
from vmamba_deploy.cli import main
from vmamba_deploy.cli.commands.export import command
from vmamba_deploy.cli.configured import asked_values
from vmamba_deploy.cli.mistakes import explained
from vmamba_deploy.pipeline.asked_options import AskedOptions

CHECKOUT = Path(__file__).parents[2]
FILE = """
weights = "weights/my.safetensors"
labels = "coco"
calibrate = "photos"
batch = [1, 4, 16]
image_size = [96, 128]
mean = [0.5, 0.4, 0.3]
resize = 112
crop = 0.9
max-nmse = 1e-3
target-sm = ["8.6", "12.0"]
no-engine = true
aoti = false
assume = ["class-token=first"]
trt = "rtx"
int8 = true
timing-cache = "/cache"
outputs = ["logits"]
"""
WRONG = {
    'wieghts = "a"': ("there is no option wieghts", "--help"),
    'config = "b.toml"': ("there is no option config", "--help"),
    'no-engine = "yes"': ("no-engine = 'yes' has the wrong type", "true or false"),
    "no-engine = 1": ("wrong type", "true or false"),
    "seed = -1": ("seed: -1 is not in the range", "expected INTEGER"),
    "seed = 1.5": ("seed: '1.5' is not a valid integer", "expected INTEGER"),
    "seed = true": ("seed = 'True' has the wrong type", "expected INTEGER"),
    "weights = 3": ("weights = '3' has the wrong type", "expected TEXT"),
    'batch = ["a"]': ("batch: 'a' is not batch sizes", "expected MIN,OPT,MAX"),
    "batch = {a = 1}": ("has the wrong type", "expected MIN,OPT,MAX"),
    'trt = "trt"': ("trt: 'trt' is not one of", "auto"),
    "assume = [3, true]": ("has the wrong type", "a list of texts"),
    'image_size = 3\nimgsz = "4"': ("imgsz says image-size again", "leave one"),
    "fp16": ("is no TOML", "fp16 = true"),
}


def context_of(folder: Path, text: str, *arguments: str) -> click.Context:
    path = folder / "export.toml"
    path.write_text(text)
    return command.make_context("export", ["--config", str(path), *arguments])


def test_each_type_of_value(tmp_path: Path) -> None:
    given = context_of(tmp_path, FILE).params
    assert given["weights"] == str(tmp_path / "weights/my.safetensors")
    assert (given["labels"], given["calibrate"]) == ("coco", "photos")
    assert (given["batches"], given["image_size"]) == ((1, 4, 16), (96, 128))
    assert (given["mean"], given["resize"], given["crop"]) == ((0.5, 0.4, 0.3), 112, 0.9)
    assert given["target_sm"] == ((8, 6), (12, 0))
    assert (given["no_engine"], given["aoti"], given["int8"]) == (True, False, True)
    assert given["assumed"] == (("class-token", "first"),)
    assert (given["timing_cache"], given["outputs"]) == (Path("/cache"), ("logits",))
    assert (given["seed"], given["opset"]) == (0, None)


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    arguments = ["--batch", "2", "--weights", "https://host/a.pth", "--precision", "fp16"]
    context = context_of(tmp_path, FILE, *arguments)
    assert context.params["batches"] == (2,)
    assert context.params["weights"] == "https://host/a.pth"
    assert (context.params["int8"], context.params["precision_name"]) == (False, "fp16")
    asked = asked_values(context)
    assert (asked["batch"], asked["precision"], asked["resize"]) == ("2", "fp16", 112)
    assert "int8" not in asked
    assert "config" not in asked
    plain = command.make_context("export", ["--seed", "3", "-o", "x", "--json"])
    assert asked_values(plain) == {"seed": 3}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_told_with_file_and_key(text: str, tmp_path: Path) -> None:
    with pytest.raises(click.UsageError) as caught:
        context_of(tmp_path, text)
    told = explained(caught.value)
    message, hint = WRONG[text]
    assert message in told.message
    assert "export.toml" in told.message
    assert hint in (told.hint or "")
    assert caught.value.exit_code == 2


def test_no_secret_and_no_place_of_this_machine_is_written(tmp_path: Path) -> None:
    paths = {"weights": frozenset({"random"}), "labels": frozenset({"coco"})}
    address = "https://me:word@host/a.pth?token=secret#sha256=" + "0" * 64
    text = AskedOptions({"weights": address, "labels": "coco", "fp16": True}, paths).text(tmp_path)
    read = tomllib.loads(text)
    assert read["weights"] == "https://host/a.pth#sha256=" + "0" * 64
    assert (read["labels"], read["fp16"]) == ("coco", True)
    assert "secret" not in text
    assert "word" not in text
    assert "# weights: its query was left out" in text
    own = AskedOptions({"weights": str(tmp_path / "w/a.pth")}, paths).text(tmp_path / "out")
    assert tomllib.loads(own) == {"weights": "../w/a.pth"}


@pytest.mark.slow
def test_the_run_of_the_page_is_repeated_from_its_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`vmamba-deploy export` with the file of docs/export.md, without what proves the files."""
    page = (CHECKOUT / "docs/export.md").read_text()
    (tmp_path / "digits.toml").write_text(page.partition("```toml\n")[2].partition("```")[0])
    (tmp_path / "samples").symlink_to(CHECKOUT / "samples")
    first, again = tmp_path / "first", tmp_path / "deeper" / "again"

    def export(config: Path, folder: Path, *more: str) -> dict[str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["export", "--config", str(config), "-o", str(folder), *more])
        assert ended.value.code == 0, capsys.readouterr().err
        return {name: one.sha256 for name, one in read_manifest(folder).files.items()}

    made = export(tmp_path / "digits.toml", first, "--no-parity", "--inline", "--opset", "21")
    said = tomllib.loads((first / "export.toml").read_text())
    weights = first / said.pop("weights")
    assert weights.samefile(CHECKOUT / "samples/train_digits/digits.safetensors")
    switches = dict.fromkeys(("fp16", "no-engine", "no-parity", "inline"), True)
    assert said == switches | {"batch": "1,4,16", "opset": 21}
    assert export(first / "export.toml", again)["model.onnx"] == made["model.onnx"]
    assert read_manifest(again).onnx.op_sets == {"ai.onnx": 21}
