"""samples/triton/run_docker.sh, without docker, and with programs that stand in for it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import HANG_S
from vmamba_deploy.errors import ExitCode
from vmamba_deploy.serving.triton.package import package_for_triton
from vmamba_deploy.serving.triton.plan import TritonPlan

SCRIPT = Path(__file__).parents[2] / "samples/triton/run_docker.sh"
TOOLS = ("bash", "python3", "sed", "mktemp", "rm", "cp", "tail", "sleep", "dirname", "cat")
TRT_VERSION = "10.14.1.48+cuda13.0"
# Needs no library that would have to be compiled.
EMBEDDED = {"name": "S", "version": "1", "namespace": "v", "delivery": "embedded"}

DOCKER = f"""#!/bin/bash
echo "docker $*" >> "$CALLS"
case $1 in
  info) exit "${{DOCKER_INFO:-0}}" ;;
  image) printf 'PATH=/bin\\nTRT_VERSION={TRT_VERSION}\\n' ;;
  run) echo 0123abcd ;;
  ps) echo 0123abcd ;;
esac
"""
RECORDER = '#!/bin/bash\necho "{name} $*" >> "$CALLS"\n'


@pytest.fixture
def tools(tmp_path):
    """A folder for PATH with what the script needs, and no docker."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        # python3 of PATH may be a launcher that needs more than itself.
        (folder / name).symlink_to(sys.executable if name == "python3" else shutil.which(name))
    return folder


@pytest.fixture
def docker(tools):
    """A docker, curl and nvidia-smi that note how they are called."""

    def add(name, text):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)

    add("docker", DOCKER)
    add("curl", RECORDER.format(name="curl"))
    add("nvidia-smi", RECORDER.format(name="nvidia-smi"))
    return tools


def run(tools, *arguments, **variables):
    calls = tools / "calls"
    calls.write_text("")
    done = subprocess.run(
        [tools / "bash", SCRIPT, *map(str, arguments)],
        env={"PATH": str(tools), "CALLS": str(calls), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_S,
    )
    return done, calls.read_text().splitlines()


def packaged(artifact, repository, **options):
    package_for_triton(TritonPlan(artifact, repository, **options))
    return repository


def test_without_docker_it_ends_with_4_and_says_what_to_do(digits, tools, tmp_path):
    repository = packaged(digits, tmp_path / "repo")
    done, _ = run(tools, repository)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "error: docker is not installed on this machine" in done.stderr
    assert "samples.triton.serve_python_backend" in done.stderr


def test_a_daemon_that_does_not_answer(digits, docker, tmp_path):
    done, _ = run(docker, packaged(digits, tmp_path / "repo"), DOCKER_INFO="1")
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "daemon does not answer" in done.stderr


def test_what_it_is_called_with(tools, tmp_path):
    done, _ = run(tools)
    assert (done.returncode, "usage:" in done.stderr) == (ExitCode.USAGE, True)
    done, _ = run(tools, tmp_path / "nothing")
    assert (done.returncode, "there is no folder" in done.stderr) == (ExitCode.BAD_INPUT, True)
    done, _ = run(tools, tmp_path)
    assert (done.returncode, "has no package vmamba" in done.stderr) == (ExitCode.BAD_INPUT, True)


def test_tensorrt_is_started_with_the_plugin(with_engine, docker, tmp_path):
    repository = packaged(
        with_engine(), tmp_path / "repo", server_path="/srv/m", with_ensemble=False
    )
    done, calls = run(docker, repository)
    assert done.returncode == 0, done.stderr
    (served,) = [call for call in calls if "tritonserver --model-repository" in call]
    assert "--gpus all" in served
    assert f"--volume {repository}:/srv/m:ro nvcr.io/nvidia/tritonserver:25.11-py3 " in served
    plugin = "/srv/m/vmamba/1/libvmamba_trt_register.so"
    assert f"--backend-config=tensorrt,plugins={plugin}" in served
    assert (repository / plugin.removeprefix("/srv/m/")).is_file()
    assert any("perf_analyzer -m vmamba -i grpc" in call for call in calls)
    assert calls[-1] == "docker rm --force 0123abcd"


def test_an_engine_of_another_tensorrt_than_the_images(with_engine, docker, tmp_path):
    repository = packaged(with_engine(version="10.13.3.9", plugin=EMBEDDED), tmp_path / "repo")
    done, calls = run(docker, repository)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert f"of TensorRT 10.13.3.9, nvcr.io/nvidia/tritonserver:25.10-py3 has {TRT_VERSION}" in (
        done.stderr
    )
    assert not [call for call in calls if call.startswith("docker run")]


def test_tensorrt_without_a_gpu(with_engine, docker, tmp_path):
    (docker / "nvidia-smi").unlink()
    done, _ = run(docker, packaged(with_engine(plugin=EMBEDDED), tmp_path / "repo"))
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "has no NVIDIA GPU" in done.stderr


def test_an_unknown_tensorrt_needs_a_tag(with_engine, docker, tmp_path):
    artifact = with_engine(version="10.0.1.6", plugin=EMBEDDED)
    repository = packaged(artifact, tmp_path / "repo", with_ensemble=False)
    done, _ = run(docker, repository)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "set TRITON_TAG" in done.stderr


def test_onnxruntime_on_a_machine_without_a_gpu(digits, docker, tmp_path):
    (docker / "nvidia-smi").unlink()
    repository = packaged(digits, tmp_path / "repo", with_ensemble=False)
    done, calls = run(docker, repository, KEEP="1", TRITON_TAG="26.01")
    assert done.returncode == 0, done.stderr
    (served,) = [call for call in calls if "tritonserver --model-repository" in call]
    assert "--gpus" not in served
    assert "nvcr.io/nvidia/tritonserver:26.01-py3 " in served
    assert not [call for call in calls if call.startswith("docker rm")]
    assert "still serving" in done.stdout
    config = (repository / "vmamba/config.pbtxt").read_text()
    assert 'op_library_filename: "/models/vmamba/1/libvmamba_ort.so"' in config
    assert json.loads((repository / "vmamba/vmamba.json").read_text())["tensorrt"] is None


def test_shellcheck_finds_nothing():
    beside = str(Path(sys.executable).parent)
    program = shutil.which("shellcheck", path=os.pathsep.join([beside, os.environ["PATH"]]))
    if program is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run([program, SCRIPT], check=True)
