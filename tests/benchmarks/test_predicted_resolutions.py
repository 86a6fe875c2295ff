"""Cost per pixel over image sizes: which calls are predicted, and how they add up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks import predicted_resolutions as module
from benchmarks.kernel_model.gpus import H100
from benchmarks.op_shapes import OpShape
from benchmarks.texts import resolutions_text


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[OpShape, int]]:
    """The calls that are predicted, at a nanosecond a pixel and channel."""
    calls: list[tuple[OpShape, int]] = []

    def predict(_code: object, shape: OpShape, batch: int, gpu: object) -> SimpleNamespace:
        assert gpu is H100
        calls.append((shape, batch))
        return SimpleNamespace(total_us=batch * shape.side**2 * shape.channels * 1e-3)

    monkeypatch.setattr(module, "load_kernels", lambda architectures: dict.fromkeys(architectures))
    monkeypatch.setattr(module, "predict", predict)
    return calls


def test_a_full_batch_has_as_many_pixels_at_every_size() -> None:
    assert [module.full_batch(side, side) for side in (224, 512, 768, 1024)] == [128, 24, 11, 6]
    assert module.full_batch(4096, 4096) == 1


def test_the_scans_of_the_four_stages_add_up(asked: list[tuple[OpShape, int]]) -> None:
    report = module.predicted_resolutions()
    assert asked[:4] == [
        (OpShape(56, 96, 1, 6), 128),
        (OpShape(28, 192, 1, 12), 128),
        (OpShape(14, 384, 1, 24), 128),
        (OpShape(7, 768, 1, 48), 128),
    ]
    # Two layers of stage 1 have 2 * 96 / 16 ns a pixel of the image, and so on.
    per_pixel = 2 * 96 / 16 + 2 * 192 / 64 + 8 * 384 / 256 + 2 * 768 / 1024
    assert report["rows"][0]["ns_per_pixel"] == pytest.approx(per_pixel)
    assert [row["full_batch"] for row in report["rows"]] == [True, False] * 5
    # 320 x 200 pixels count as 253 x 253.
    assert asked[-4][0].side == 253
    assert report["rows"][-1]["ns_per_pixel"] == pytest.approx(per_pixel, rel=0.01)


@pytest.mark.usefixtures("asked")
def test_it_is_printed_as_predicted() -> None:
    lines = resolutions_text(module.predicted_resolutions()).splitlines()
    assert lines[0].startswith("H100 SXM, predicted:")
    assert lines[-1].startswith("  1280 x 800  batch   1:")
    assert len(lines) == 11
