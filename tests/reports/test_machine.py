import os
import re

from vmamba_deploy.reports.machine import describe_machine, tool_versions, utc_now


def test_machine_is_described_without_its_name():
    machine = describe_machine()
    assert machine.cpu
    assert 1 <= machine.cores <= os.cpu_count()
    assert machine.memory_bytes > 2**28
    assert "Python" in machine.system


def test_only_installed_tools_have_versions():
    found = tool_versions(("numpy", "no-such-package-of-ours"))
    assert list(found) == ["numpy"]


def test_time_is_utc_to_the_second():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", utc_now())
