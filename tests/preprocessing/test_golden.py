"""The Python preprocessing against the golden table; the C++ one is held to the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.preprocessing.golden import FOLDER, Row, files_of, read_table
from tests.preprocessing.golden_images import COMMITTED, LARGE
from vmamba_deploy.preprocessing import read_image, resize_and_crop

TABLE = read_table()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return files_of(TABLE, tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_every_image_gives_the_same_bytes(row: Row, files: dict[str, Path]) -> None:
    pixels = read_image(files[row.name], row.spec.channels)
    assert pixels.shape == (*row.upright, row.spec.channels)
    row.check(resize_and_crop(pixels, row.spec))


def test_the_table_has_every_image_and_the_folder_no_other() -> None:
    assert {row.name for row in TABLE} == {*COMMITTED, *LARGE}
    committed = {path.name for path in FOLDER.iterdir() if path.suffix in {".png", ".jpg"}}
    assert committed == set(COMMITTED)
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) < 400_000


def test_upright_images_differ_by_their_orientation_alone() -> None:
    turned = [row for row in TABLE if row.name.startswith("orientation_") and not row.spec.fit]
    assert len({row.sha256 for row in turned}) == 8
    assert [row.upright for row in turned] == [(40, 61)] * 4 + [(61, 40)] * 4
