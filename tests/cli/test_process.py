import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import COMMAND_WITHOUT_MODULE, HANG_S
from vmamba_deploy.artifacts.verification import verify

ROOT = Path(__file__).parents[2]
CHECKPOINT = ROOT / "tests" / "data" / "golden" / "vssm_s2.pth"
EXPORT = [sys.executable, "export.py", "--weights", str(CHECKPOINT), "--image-size", "32"]
FAST = ["--no-engine", "--no-parity"]


def run(command, **options):
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=HANG_S, **options
    )


IMPORTED = """
import json, sys

before = set(sys.modules)
from vmamba_deploy.cli import main
try:
    main(sys.argv[1:])
finally:
    names = {name.partition(".")[0] for name in set(sys.modules) - before}
    foreign = [name for name in names - sys.stdlib_module_names if not name.startswith("_")]
    sys.stderr.write("\\n" + json.dumps(sorted(foreign)))
"""


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], {"click"}),
        (["export", "--help"], {"click"}),
        (["doctor"], {"click", "rich", "msgspec", "typing_extensions"}),
        (["export", "-m", "x"], {"click", "rich", "msgspec", "typing_extensions"}),
    ],
)
def test_little_is_imported_for_little(arguments, allowed):
    """What is asked often answers at once, on any machine: hardly a package is loaded for it."""
    result = run([sys.executable, "-c", IMPORTED, *arguments])
    assert result.returncode in (0, 2, 4), result.stderr
    assert set(json.loads(result.stderr.splitlines()[-1])) <= {"vmamba_deploy", *allowed}


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
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.slow
def test_killed_then_locked_then_complete(tmp_path):
    killed = start_export(tmp_path / "out")
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    killed.communicate()
    lock, leftover = visible(tmp_path)
    assert lock == ".out.lock"
    assert leftover.startswith(".partial-")

    first = start_export(tmp_path / "out")
    first.send_signal(signal.SIGSTOP)  # or it could end before the second has begun
    second = run([*EXPORT, *FAST, "-o", str(tmp_path / "out")])
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 8, second.stderr
    assert f"process {first.pid} on" in second.stderr
    first.stdout.close()  # as after `| head -3`
    errors = first.stderr.read()
    assert first.wait(HANG_S) == 0, errors

    assert visible(tmp_path) == ["out"]
    assert verify(tmp_path / "out").status == "unproven"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_leaves_nothing(tmp_path, number, code):
    process = start_export(tmp_path / "out")
    time.sleep(0.5)
    process.send_signal(number)
    _, errors = process.communicate(timeout=HANG_S)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert visible(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_very_end_leaves_no_traceback(number):
    late = f"""
import atexit, os, sys
sys.argv[1:] = ["--version"]
atexit.register(os.kill, os.getpid(), {int(number)})
from vmamba_deploy.cli import main
main()
"""
    done = run([sys.executable, "-c", late])
    assert done.returncode == -number
    assert done.stderr == ""


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
    assert "free; this run needs about" in result.stderr
    assert "Traceback" not in result.stderr
    assert visible(small_disk) == []


def test_a_machine_that_only_serves_is_told_what_an_export_needs():
    arguments = ["export", "--model", "t", "--no-engine"]
    result = run([sys.executable, "-c", COMMAND_WITHOUT_MODULE, "torch", *arguments])
    assert result.returncode == 4, result.stderr
    assert "error: this needs the Python module torch, which is not installed" in result.stderr
    assert "hint: pip install 'vmamba-deploy[export]'" in result.stderr
