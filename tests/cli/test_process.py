import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmamba_deploy.artifacts.manifest import verify

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "tests" / "data" / "golden" / "vssm_s2.pth"
EXPORT = [sys.executable, "export.py", "--weights", str(CHECKPOINT), "--image-size", "32"]
FAST = ["--no-engine", "--no-parity"]
CLI = [sys.executable, "-c", "from vmamba_deploy.cli import main; main()"]


def run(command, **options):
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, **options
    )


def best_seconds(command, tries=3):
    seconds = []
    for _ in range(tries):
        start = time.perf_counter()
        assert run(command).returncode in (0, 4)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@pytest.mark.parametrize("arguments", [["--help"], ["export", "--help"]])
def test_help_is_quick(arguments, record_property):
    seconds = best_seconds([*CLI, *arguments])
    record_property("seconds", round(seconds, 3))
    assert seconds < 0.6


def test_doctor_is_quick(record_property):
    seconds = best_seconds([*CLI, "doctor"])
    record_property("seconds", round(seconds, 3))
    assert seconds < 3.0


@pytest.mark.parametrize("arguments", ["['--help']", "['doctor']", "['export', '-m', 'x']"])
def test_nothing_heavy_is_imported_for_little(arguments):
    script = f"""
import sys
from vmamba_deploy.cli import main
try:
    main({arguments})
finally:
    heavy = {{"torch", "onnx", "onnxruntime", "tensorrt_rtx", "matplotlib"}} & set(sys.modules)
    sys.stderr.write(f"heavy: {{sorted(heavy)}}")
"""
    assert run([sys.executable, "-c", script]).stderr.endswith("heavy: []")


def start_export(output):
    """An export that has reached its longest step."""
    process = subprocess.Popen(
        [*EXPORT, *FAST, "--json", "-o", str(output)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        event = json.loads(line)
        if (event["event"], event.get("step")) == ("step-started", "export"):
            return process
    pytest.fail(process.communicate()[1])


def visible(folder):
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.endswith(".lock"))


def test_killed_then_locked_then_complete(tmp_path):
    killed = start_export(tmp_path / "out")
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    killed.communicate()
    (leftover,) = visible(tmp_path)
    assert leftover.startswith(".partial-")

    first = start_export(tmp_path / "out")
    second = run([*EXPORT, *FAST, "-o", str(tmp_path / "out")])
    assert second.returncode == 8, second.stderr
    assert f"process {first.pid} on" in second.stderr
    _, errors = first.communicate()
    assert first.returncode == 0, errors

    assert visible(tmp_path) == ["out"]
    assert verify(tmp_path / "out")["status"] == "unproven"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_nothing(tmp_path, number, code):
    process = start_export(tmp_path / "out")
    time.sleep(0.5)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert visible(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root and the right to mount")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_disk_that_is_too_small(small_disk):
    result = run([*EXPORT, *FAST, "-o", str(small_disk / "out")])
    assert result.returncode == 8
    assert "MB free; this run needs about" in result.stderr
    assert "Traceback" not in result.stderr
    assert visible(small_disk) == []


WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from vmamba_deploy.cli import main
main(sys.argv[2:])
"""


def test_a_machine_that_only_serves_is_told_what_an_export_needs():
    arguments = ["export", "--model", "t", "--no-engine"]
    result = run([sys.executable, "-c", WITHOUT, "torch", *arguments])
    assert result.returncode == 4, result.stderr
    assert "error: this needs the Python module torch, which is not installed" in result.stderr
    assert "hint: pip install 'vmamba-deploy[export]'" in result.stderr
