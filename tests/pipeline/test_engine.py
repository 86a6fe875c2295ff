"""What cannot be built is refused before the export, and leaves nothing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vmamba_deploy.cli import cli
from vmamba_deploy.errors import ExitCode, UsageError
from vmamba_deploy.pipeline.engine import no_engine, planned_sizes
from vmamba_deploy.runtimes.cuda_driver import find_gpus
from vmamba_deploy.runtimes.tensorrt.flavour import TENSORRT, TENSORRT_RTX
from vmamba_deploy.runtimes.tensorrt.plan import EnginePlan
from vmamba_deploy.tasks import DETECTION

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
        (["--target-sm", "75", "--int8"], ["not int8", "--fp16"]),
        (["--target-sm", "86", "--fp8"], ["not fp8", "--int8"]),
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


@pytest.mark.parametrize(
    ("shapes", "options", "words"),
    [
        (((16, 64), (96, 96), (128, 160)), {}, "sides from 32 on"),
        (((64, 64), (96, 96), (128, 120)), {}, "multiples of 32, not 120"),
        (((64, 64), (96, 96), (96, 96)), {"size": (128, 96)}, "do not fit the image size 128x96"),
        (((64, 64), (96, 96), (128, 160)), {"free": False}, "do not fit the image size 96x96"),
    ],
)
def test_shapes_that_a_file_does_not_take(shapes, options, words):
    given = {"size": (96, 96), "free": True, "channels_last": False} | options
    with pytest.raises(UsageError, match=words):
        planned_sizes(EnginePlan(shapes=shapes), DETECTION, **given)


@pytest.mark.parametrize(
    ("shapes", "channels_last"),
    [
        (((1, 3, 64, 96), (2, 3, 96, 96), (4, 3, 128, 160)), False),
        (((1, 64, 96, 3), (2, 96, 96, 3), (4, 128, 160, 3)), True),
    ],
)
def test_shapes_of_all_axes_are_in_the_files_layout(shapes, channels_last):
    sizes = planned_sizes(
        EnginePlan(shapes=shapes), DETECTION, (96, 96), free=True, channels_last=channels_last
    )
    assert sizes == ((64, 96), (96, 96), (128, 160))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ("64x64/96x96", "the smallest, the usual and the largest"),
        ("96x96/96x96/128x128", "do not fit the image size 64x64"),
        ("64/64/64", "are no shapes such as"),
    ],
)
def test_shapes_are_checked_before_the_export(tmp_path, shapes, words):
    command = ["export", "--weights", GOLDEN / "vssm_s1.pth", "-o", tmp_path / "out"]
    command += ["--image-size", "64", "--dynamic-size", "--shapes", shapes]
    result = CliRunner().invoke(cli, [str(one) for one in command])
    assert result.exit_code == ExitCode.USAGE, result.output
    assert words in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []
