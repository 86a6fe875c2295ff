"""What cannot be built is refused before the export, and leaves nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.pipeline.engine import no_engine
from vmamba_deploy.runtimes.tensorrt import TENSORRT, TENSORRT_RTX, EnginePlan, find_gpus

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def refused(tmp_path, *options):
    arguments = ["export", "--weights", GOLDEN / "vssm_s1.pth", "-o", tmp_path / "out", *options]
    result = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert "weights" not in result.stdout.replace("strip-weights", ""), "it went on to the weights"
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []
    return result


@pytest.mark.skipif(not TENSORRT_RTX.installed, reason="tensorrt_rtx is not installed")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target-sm", "90"], ["cannot build for --target-sm 90", "80, 86, 89", "Hopper"]),
        (["--target-sm", "75"], ["takes fp16 only", "--fp16"]),
        (["--target-sm", "75", "--bf16"], ["not bf16"]),
        (["--target-sm", "86", "--hardware-compatible"], ["one of the two"]),
        (["--timing-cache", "cache"], ["keeps no timing cache"]),
        (["--version-compatible"], ["no version compatible engines"]),
    ],
)
def test_what_rtx_cannot_build(tmp_path, options, words):
    result = refused(tmp_path, "--trt", "rtx", *options)
    assert result.exit_code == ExitCode.USAGE, result.output
    for word in words:
        assert word in result.output


@pytest.mark.skipif(not TENSORRT_RTX.installed, reason="tensorrt_rtx is not installed")
@pytest.mark.skipif(bool(find_gpus().gpus), reason="a GPU is here, so it is possible")
def test_stripped_weights_need_a_gpu(tmp_path):
    result = refused(tmp_path, "--trt", "rtx", "--strip-weights")
    assert result.exit_code == ExitCode.USAGE
    assert "on a GPU only" in result.output


@pytest.mark.skipif(TENSORRT.installed, reason="tensorrt is installed")
def test_a_flavour_that_is_not_installed(tmp_path):
    result = refused(tmp_path, "--trt", "tensorrt")
    assert result.exit_code == ExitCode.ENVIRONMENT
    assert "TensorRT is not installed" in result.output
    assert "--no-engine" in result.output


@pytest.mark.parametrize(("asked", "named"), [("tensorrt", "tensorrt"), ("rtx", "tensorrt_rtx")])
def test_an_absent_engine_is_of_the_flavour_asked_for(asked, named):
    engine = no_engine("not asked for", EnginePlan(flavour=asked))
    assert engine.as_json() == {"built": False, "reason": "not asked for", "flavour": named}
