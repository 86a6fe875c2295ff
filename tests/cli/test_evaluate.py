import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.digits import write_digits
from tests.pipeline.evaluations import damaged_copy, done, lasting
from tests.processes import HANG_S
from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-c", "from vmamba_deploy.cli import main; main()"]


def invoke(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def artifact(digits_artifact):
    return digits_artifact("fp32", engine=False)


@pytest.fixture(scope="module")
def many_digits(tmp_path_factory):
    """More images than can be run before a signal arrives."""
    return write_digits(tmp_path_factory.mktemp("many"), "train")


def evaluation(artifact, data, output, *more):
    options = ("--runtime", "ort", artifact, "--data", data, "--output", output)
    return ["evaluate", *map(str, options), *map(str, more)]


def start(arguments):
    return subprocess.Popen(
        [*CLI, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop_under_way(arguments, number):
    """Start, and send the signal once some batches are in the journal; the exit code and stderr."""
    process = start(arguments)
    seen = 0
    for line in process.stdout:
        seen += json.loads(line)["event"] == "progress"
        if seen == 3:
            process.send_signal(number)
            break
    _, errors = process.communicate(timeout=HANG_S)
    return process.returncode, errors


def test_a_run_that_is_stopped_twice_ends_like_one_that_is_not(artifact, many_digits, tmp_path):
    options = ("--json", "--batch", 1)
    whole = start(evaluation(artifact, many_digits, tmp_path / "whole", *options))
    _, errors = whole.communicate(timeout=HANG_S)
    assert whole.returncode == 0, errors

    stopped = evaluation(artifact, many_digits, tmp_path / "stopped", *options)
    assert stop_under_way(stopped, signal.SIGKILL)[0] == -signal.SIGKILL
    first = len(done(tmp_path / "stopped"))
    assert 0 < first < 1347
    code, errors = stop_under_way(stopped, signal.SIGINT)
    assert code == 130, errors
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
    second = len(done(tmp_path / "stopped"))
    assert first < second < 1347
    assert {entry.name for entry in (tmp_path / "stopped").iterdir()} == {"journal.jsonl"}

    last = start(stopped)
    output, errors = last.communicate(timeout=HANG_S)
    assert last.returncode == 0, errors
    result = json.loads(output.splitlines()[-1])
    assert result["evaluation"]["run"]["resumed"] == second
    assert done(tmp_path / "stopped") == list(range(1347))
    assert lasting(tmp_path / "stopped") == lasting(tmp_path / "whole")


def test_what_a_person_sees(artifact, digits_folder, tmp_path):
    result = invoke(*evaluation(artifact, digits_folder, tmp_path / "out", "--against", "pytorch"))
    assert result.exit_code == 0, result.output
    for text in (
        "top-1",
        "top-5",
        "agreement with PyTorch",
        "95% interval",
        "Worst classes",
        "images/s",
    ):
        assert text in result.output
    for text in ("onnxruntime alone", "PyTorch alone", "the whole run"):
        assert re.search(rf"{text} [\d.]+\s+images/s", result.output)
    assert "have the class that PyTorch gives" in result.output


def test_a_threshold_that_is_missed(artifact, digits_folder, tmp_path):
    broken = damaged_copy(artifact, tmp_path / "broken")
    arguments = evaluation(
        broken, digits_folder, tmp_path / "out", "--against", "pytorch", "--json"
    )
    result = CliRunner().invoke(cli, [*arguments, "--min-top1", "99.9"])
    assert result.exit_code == ExitCode.PARITY_FAILED
    told = json.loads(result.stdout.splitlines()[-1])
    assert (told["event"], told["exit_code"]) == ("result", 6)
    assert told["evaluation"]["verdict"] == "failed"
    assert len(told["evaluation"]["shortfalls"]) == 2
    assert told["evaluation"]["agreement"]["changed_images"] > 2
    assert all(Path(name).is_file() for name in told["files"])
    assert "Images that changed class" in result.stderr
    lenient = [*evaluation(broken, digits_folder, tmp_path / "out", "--against", "pytorch")]
    assert invoke(*lenient, "--max-changed", 450).exit_code == 0


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--batch", "0"], 2, "--batch must be at least 1"),
        (["--max-changed", "3"], 2, "--max-changed needs --against pytorch"),
        (["--ray-workers", "2"], 2, "need --ray"),
        (["--against", "onnx"], 2, "--against"),
        (["--classes", "absent.txt"], 3, "absent.txt cannot be read"),
        (["--data", "absent"], 3, "no data set absent"),
        (["--layout", "imagenet"], 3, "is not ImageNet-1K's validation set: these are no class"),
        (["--runtime", "trt"], 7, "engine"),
        (["--ray", "--ray-address", "127.0.0.1:1"], 4, "no Ray cluster at 127.0.0.1:1"),
    ],
)
def test_errors_have_their_codes(artifact, digits_folder, tmp_path, more, code, words):
    result = invoke(*evaluation(artifact, digits_folder, tmp_path / "out", *more))
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


def test_predictions_for_a_look(artifact, digits_folder):
    images = sorted((digits_folder / "7").iterdir())[:40]
    result = invoke("predict", artifact, *images, "--top-k", 2, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[-1])
    assert [one["image"] for one in told["predictions"]] == [str(image) for image in images]
    best = [one["classes"][0] for one in told["predictions"]]
    assert sum(one["label"] == "7" for one in best) >= 39
    assert all(len(one["classes"]) == 2 for one in told["predictions"])
    assert best[0]["probability"] > 0.5
    drawn = invoke("predict", artifact, images[0])
    assert "share" in drawn.stdout
    assert images[0].name in drawn.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["."], 2, "is a folder"),
        (["absent.png"], 3, "no file absent.png"),
        (["README.md"], 3, "README.md is not an image"),
        (["README.md", "--top-k", "0"], 2, "--top-k must be at least 1"),
        ([], 2, "no image was given"),
    ],
)
def test_what_cannot_be_predicted(artifact, monkeypatch, arguments, code, words):
    monkeypatch.chdir(ROOT)
    result = invoke("predict", artifact, *arguments, "--runtime", "ort")
    assert result.exit_code == code, result.output
    assert words in result.output


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_neither_needs_what_exports_a_model(artifact, digits_folder, tmp_path, command):
    image = next((digits_folder / "1").iterdir())
    arguments = {
        "evaluate": evaluation(artifact, digits_folder, tmp_path / "out", "--limit", 10),
        "predict": ["predict", str(artifact), str(image), "--runtime", "ort"],
    }[command]
    script = f"""
import sys
for name in ("torch", "onnx", "onnxscript", "polygraphy", "ray"):
    sys.modules[name] = None
from vmamba_deploy.cli import main
main({arguments})
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
