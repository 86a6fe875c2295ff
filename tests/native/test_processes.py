import pytest

from tests.processes import is_running
from vmamba_deploy.native.processes import run_logged


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_stopped_build_ends_its_tool(tmp_path, stop):
    """The tool would run for ever."""

    def progress(text, done):
        raise stop

    pid = tmp_path / "pid"
    script = f'echo $$ > "{pid}"; echo "[1/2] compiling"; exec sleep infinity'
    with pytest.raises(stop):
        run_logged(["sh", "-c", script], log=tmp_path / "log", what="x", progress=progress)
    assert not is_running(int(pid.read_text()))
