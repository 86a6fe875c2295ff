import csv
import os
from pathlib import Path

import pytest

from vmamba_deploy.evaluation.scorer import Table
from vmamba_deploy.reports.csv_file import write_csv


def test_what_is_written_is_read_back(tmp_path):
    odd = os.fsdecode(b"caf\xe9.png")
    rows = [('a,"b"\nc.png', 0.1 + 0.2, None), ("\N{SNOWMAN}.png", 1, "x"), (odd, 2, "")]
    write_csv(Table(("file", "figure", "error"), iter(rows)), tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        header, first, second, third = csv.reader(file)
    assert header == ["file", "figure", "error"]
    assert (first[0], float(first[1]), first[2]) == ('a,"b"\nc.png', 0.1 + 0.2, "")
    assert second == ["\N{SNOWMAN}.png", "1", "x"]
    # No UTF-8 can hold that byte: it is written out.
    assert third == [r"caf\xe9.png", "2", ""]


def test_a_table_appears_whole_or_not_at_all(tmp_path):
    def rows():
        yield ("1.png",)
        raise KeyboardInterrupt

    path = tmp_path / "out.csv"
    path.write_text("older")
    with pytest.raises(KeyboardInterrupt):
        write_csv(Table(("file",), rows()), path)
    assert [Path(one).name for one in tmp_path.iterdir()] == ["out.csv"]
    assert path.read_text() == "older"
