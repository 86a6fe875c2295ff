from __future__ import annotations

import pytest

from vmamba_deploy.errors import InputFileError
from vmamba_deploy.runtimes.tensorrt import EnginePlan, build_engine, engine_info


@pytest.fixture
def engine(rtx, plugin, scan_model, tmp_path):
    return build_engine(EnginePlan(scan_model(), rtx, plugin_library=plugin), tmp_path / "e").path


def test_the_header_tells_version_targets_and_size(engine, rtx):
    info = engine_info(engine)
    assert (info.flavour, info.version) == ("tensorrt_rtx", rtx.version)
    assert info.compute_capabilities == ("8.0", "8.6", "8.9", "12.0", "12.1")
    assert info.runs_on_newer
    assert info.size_bytes == engine.stat().st_size


def test_a_truncated_engine_is_found_out(engine):
    content = engine.read_bytes()
    engine.write_bytes(content[:-1])
    with pytest.raises(InputFileError, match="truncated"):
        engine_info(engine)


@pytest.mark.parametrize("content", [b"", b"vtrt", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_engine_is_refused(tmp_path, content):
    path = tmp_path / "x.engine"
    path.write_bytes(content)
    with pytest.raises(InputFileError, match="not a TensorRT engine"):
        engine_info(path)
    with pytest.raises(InputFileError, match="cannot read"):
        engine_info(tmp_path / "none.engine")
