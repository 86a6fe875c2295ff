"""What `serve.py` refuses before anything is started, and its words and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from samples.serve_ray.errors import RETRY_AFTER_S, STATUS_OF_CODE
from samples.serve_ray.settings import MEBIBYTE, Settings
from tests.processes import HANG_S

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "serve_ray.md"


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "samples/serve_ray/serve.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False
    )


def test_a_folder_that_is_no_artefact_ends_before_ray_starts(tmp_path):
    ended = serve("--artifact", str(tmp_path))
    assert ended.returncode == 7
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr


def test_more_replicas_than_cores_would_wait_for_ever(digits_artifact):
    artifact = str(digits_artifact(engine=False))
    ended = serve("--artifact", artifact, "--replicas", "3", "--cpus", "2")
    assert ended.returncode == 2
    assert "3 replicas of 1 cores need 3 cores" in ended.stderr


def test_a_value_out_of_range_is_a_usage_error(tmp_path):
    ended = serve("--artifact", str(tmp_path), "--max-batch", "0")
    assert ended.returncode == 2
    assert "--max-batch: Input should be greater than or equal to 1, got 0" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_settings_take_text_as_serve_run_gives_it():
    settings = Settings.model_validate({"artifact": "x", "replicas": "2", "batch_wait_ms": "1.5"})
    assert (settings.replicas, settings.batch_wait_ms) == (2, 1.5)
    assert Path(settings.artifact).is_absolute()


@pytest.mark.parametrize("wrong", [{"replicas": 0}, {"timeout_s": 0}, {"runtime": "x"}, {"a": 1}])
def test_settings_refuse_what_makes_no_sense(wrong):
    with pytest.raises(ValidationError):
        Settings.model_validate({"artifact": "x", **wrong})


def test_the_object_store_holds_all_images_in_flight():
    settings = Settings(artifact="x", max_in_flight=100, max_bytes=10 * MEBIBYTE)
    assert settings.object_store_bytes >= 100 * 10 * MEBIBYTE
    assert Settings(artifact="x", max_in_flight=1).object_store_bytes == 100 * MEBIBYTE


def test_the_page_has_every_error_code_with_its_status():
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", PAGE.read_text(), re.MULTILINE)
    assert {code: int(status) for code, status in rows} == STATUS_OF_CODE
    assert set(RETRY_AFTER_S) <= set(STATUS_OF_CODE)


def test_the_page_has_every_setting():
    documented = set(re.findall(r"^\| `--([a-z-]+)`", PAGE.read_text(), re.MULTILINE))
    assert {name.replace("_", "-") for name in Settings.model_fields} <= documented
