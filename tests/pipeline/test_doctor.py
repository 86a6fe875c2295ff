from __future__ import annotations

from vmamba_deploy.pipeline.doctor import examine


def test_every_missing_tool_of_a_native_build_has_a_remedy(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    tools = [one for one in examine() if one.area == "native"]
    assert [tool.name for tool in tools][:2] == ["C++ compiler", "CMake"]
    assert tools[0].level == "optional"
    assert all(tool.level == "ok" or tool.remedy for tool in tools)
