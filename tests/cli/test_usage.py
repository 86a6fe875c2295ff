import json
import secrets

import pytest
from click.testing import CliRunner

from vmamba_deploy.artifacts.engine_facts import EngineFacts
from vmamba_deploy.cli import cli
from vmamba_deploy.cli.app import main
from vmamba_deploy.cli.parameters.kinds import ProfileBatches
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.parity.metrics import Metrics
from vmamba_deploy.parity.results import RunResult
from vmamba_deploy.pipeline import compare
from vmamba_deploy.pipeline.compare import CompareOutcome
from vmamba_deploy.precisions import PRECISIONS
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def assert_refused(result, code, *words):
    assert result.exit_code == code, result.output
    for word in words:
        assert word in result.output
    assert "Traceback" not in result.output


def test_help_names_every_command_and_every_exit_code():
    result = run("--help")
    assert result.exit_code == 0
    for command in (
        *("export", "build", "compare", "evaluate", "predict", "package"),
        *("bench", "analyze", "models", "info", "doctor"),
    ):
        assert f"  {command} " in result.output
        assert run(command, "--help").exit_code == 0
    for code in ExitCode:
        assert f"{int(code)}  " in result.output


def test_the_report_of_a_comparison_knows_what_was_typed_but_no_secret(monkeypatch):
    commands = []

    def refuse(_path, _on_event, *, command, **_options):
        commands.append(command)
        raise UsageError("not now")

    monkeypatch.setattr(compare, "run_compare", refuse)
    with pytest.raises(SystemExit):
        main(["compare", "a folder", "--weights=https://me:key@host/w.pth?token=1#sha256=ab"])
    with pytest.raises(SystemExit):
        main(["a?", "--batch", "1"], command="compare")  # as a script of one command does
    run("compare", "a")  # in the process of another program
    assert commands == [
        "vmamba-deploy compare 'a folder' '--weights=https://host/w.pth#sha256=ab'",
        "vmamba-deploy compare 'a?' --batch 1",
        None,
    ]


def test_unknown_preset_is_answered_with_suggestions():
    result = run("export", "--model", "vmamba_tiny_s1l9")
    assert_refused(result, ExitCode.USAGE, "no preset named", "vmamba_tiny_s1l8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fp16", "--bf16"], ["choose one precision", "--fp16 and --bf16"]),
        (["--fp32", "--fp16"], ["choose one precision"]),
        (["--batch", "0"], ["between 1 and", "got 0"]),
        (["--batch", "-4"], ["got -4"]),
        (["--batch", "8,1"], ["must ascend", "--batch 1,8"]),
        (["--batch", "8,1,8"], ["must ascend"]),
        (["--batch", "1,x"], ["1,8,32 or min=1,opt=8,max=32"]),
        (["--batch", ""], ["1,8,32 or min=1,opt=8,max=32"]),
        (["--batch", "1,8.5"], ["1,8,32 or min=1,opt=8,max=32"]),
        (["--batch", "1,2,3,4"], ["three batch sizes", "1,2,3,4", "write --batch 1,3,4"]),
        (["--batch", "min=1,max=8,min=2"], ["each once"]),
        (["--batch", "min=1,best=8"], ["does not name min, opt and max"]),
        (["--batch", "min=1,8"], ["does not name min, opt and max"]),
        (["--batch", "max=1,min=8"], ["must ascend", "--batch 1,8"]),
        (["--image-size", "31"], ["31x31 is too small", "at least 32"]),
        (["--image-size", "224x16"], ["224x16 is too small"]),
        (["--image-size", "huge"], ["not a size"]),
        (["--image-size", "100000"], ["above the limit"]),
        (["--num-classes", "0"], ["must be 1 to 1,000,000"]),
        (["--mean", "123.675,116.28,103.53"], ["from 0 to 1", "divide them by 255"]),
        (["--mean", "0.5,x"], ["not a list of numbers"]),
        (["--std", "0"], ["finite and above 0"]),
        (["--std", "nan,1,1"], ["finite and above 0"]),
        (["--mean", "0.1,0.2,0.3", "--std", "1,1"], ["--std has 2 values"]),
        (["--interpolation", "nearest"], ["'bicubic'", "'lanczos'"]),
        (["--crop", "half"], ["center, none or a share"]),
        (["--crop", "1.5"], ["at most 1"]),
        (["--crop", "none", "--resize", "256"], ["--resize and --crop none both say"]),
        (["--opset", "17"], ["opset 20 or newer"]),
        (["--workspace", "0"], ["at least 1 MiB"]),
        (["--target-sm", "ampere"], ["not a compute capability"]),
        (["--seed", "-1"], ["--seed"]),
        (["--trt", "onnx"], ["--trt"]),
        (["--require", "trt"], ["--require", "tensorrt_rtx"]),
        (["--require", "openvino", "--no-parity"], ["--require openvino", "drop one"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_arguments_that_make_no_sense(tmp_path, arguments, words):
    result = run("export", "--model", "t", "-o", tmp_path / "out", *arguments)
    assert_refused(result, ExitCode.USAGE, *words)
    assert list(tmp_path.iterdir()) == []


def test_random_weights_need_a_preset():
    assert_refused(run("export"), ExitCode.USAGE, "need a preset", "--model t")


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("mine")
    result = run("export", "-m", "t", "-o", tmp_path / "out")
    assert_refused(result, ExitCode.USAGE, "is a file")
    assert (tmp_path / "out").read_text() == "mine"


def test_an_output_full_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    result = run("export", "-m", "t", "-o", tmp_path)
    assert_refused(result, ExitCode.USAGE, "not an artefact folder")
    assert (tmp_path / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("command", ["build", "compare", "bench", "info"])
def test_files_that_are_not_there_or_not_ours(tmp_path, command):
    assert_refused(run(command, tmp_path / "no.onnx"), ExitCode.BAD_INPUT, "no file or folder")
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(secrets.token_bytes(2000))
    assert_refused(run(command, rubbish), ExitCode.BAD_INPUT, "rubbish.onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert_refused(run(command, tmp_path / "empty.onnx"), ExitCode.BAD_INPUT, "empty.onnx")


def test_unreadable_weights(tmp_path):
    weights = tmp_path / "weights.pth"
    result = run("export", "--weights", weights, "-o", tmp_path / "out")
    assert_refused(result, ExitCode.BAD_INPUT, str(weights))
    weights.write_bytes(secrets.token_bytes(5000))
    result = run("export", "--weights", weights, "-o", tmp_path / "out")
    assert_refused(result, ExitCode.BAD_INPUT, str(weights))
    assert not (tmp_path / "out").exists()


def test_json_mode_ends_with_one_error_line(tmp_path):
    result = run("info", "--json", tmp_path / "no.onnx")
    (line,) = result.stdout.splitlines()
    event = json.loads(line)
    assert event["event"] == "error"
    assert event["exit_code"] == ExitCode.BAD_INPUT == result.exit_code
    assert "no file or folder" in event["message"]
    assert "error: " in result.stderr


def test_a_bug_shows_its_traceback_only_when_asked(tmp_path, monkeypatch):
    def broken(*_arguments):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("vmamba_deploy.pipeline.info.describe_path", broken)
    result = run("info", tmp_path)
    assert_refused(result, ExitCode.BUG, "this is a bug: ZeroDivisionError: oops")
    result = run("info", "-v", tmp_path)
    assert result.exit_code == ExitCode.BUG
    assert "Traceback" in result.output


def test_an_engine_without_a_manifest_is_not_loaded(tmp_path):
    engine = tmp_path / "model.engine"
    engine.write_bytes(secrets.token_bytes(300))
    result = run("info", engine)
    assert result.exit_code == 0
    assert "no manifest beside it" in result.output


def test_interruption_ends_with_130(monkeypatch, capsys):
    def interrupt(*_asked):
        raise KeyboardInterrupt

    monkeypatch.setattr("vmamba_deploy.pipeline.info.describe_path", interrupt)
    with pytest.raises(SystemExit) as exit_info:
        main(["info", "."])
    assert exit_info.value.code == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--batch", "8,1"], ["--target-sm", "x"]])
def test_with_json_every_refusal_is_one_json_line_on_stdout(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["export", "-m", "t", "--json", *arguments])
    assert ended.value.code == ExitCode.USAGE
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "error"
    assert json.loads(line)["exit_code"] == ExitCode.USAGE


def test_an_opset_of_the_future():
    assert_refused(run("export", "-m", "t", "--opset", "99"), ExitCode.USAGE, "opset 99 is too new")


def refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


def test_with_json_a_figure_that_is_not_finite_is_null(monkeypatch, tmp_path):
    broken = Metrics.unknown(images=3, non_finite=5)
    told = RunResult("tensorrt", "failed", "5 values", PRECISIONS["fp32"].thresholds, (), broken)
    outcome = CompareOutcome((told,), EngineFacts(built=False, reason="none"))
    monkeypatch.setattr("vmamba_deploy.pipeline.compare.run_compare", lambda *_, **__: outcome)
    result = run("compare", "--json", tmp_path)
    assert result.exit_code == ExitCode.PARITY_FAILED
    line = json.loads(result.stdout, parse_constant=refuse_constant)
    assert line["event"] == "result"
    assert (
        line["parity"][0]["metrics"] | {"nmse": None, "non_finite": 5}
        == (line["parity"][0]["metrics"])
    )


@pytest.mark.parametrize(
    ("written", "sizes"),
    [
        ("8", (8,)),
        ("1,1,32", (1, 1, 32)),
        ("min=1,opt=8,max=32", (1, 8, 32)),
        ("max=32, min=1, opt=1", (1, 1, 32)),
        ("min=2,max=4", (2, 4)),
    ],
)
def test_batches_of_a_profile_may_be_named(written, sizes):
    assert ProfileBatches().convert(written, None, None) == sizes
    assert EnginePlan(batches=sizes).batches == sizes
