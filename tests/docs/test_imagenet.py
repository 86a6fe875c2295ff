"""The page on ImageNet names every classifier that is published, and claims no figure."""

from __future__ import annotations

from tests.docs.pages import DOCS
from vmamba_deploy.models.vim.presets import PRESETS as VIM
from vmamba_deploy.models.vmamba.presets import PRESETS as VMAMBA


def test_each_published_classifier_has_a_row_and_no_figure_of_ours():
    text = (DOCS / "imagenet.md").read_text()
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `v")]
    presets = {cells[0].strip(" `"): cells for cells in rows}
    assert presets.keys() == {*VMAMBA, *VIM}
    for cells in presets.values():
        assert 70 < float(cells[2]) < 90
        assert cells[3].strip() == ""
