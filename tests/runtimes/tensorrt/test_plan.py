from __future__ import annotations

from pathlib import Path

import pytest

from vmamba_deploy.errors import UsageError
from vmamba_deploy.runtimes.tensorrt import TENSORRT, TENSORRT_RTX, EnginePlan
from vmamba_deploy.runtimes.tensorrt.builder_config import image_shapes

MODEL = Path("model.onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": (0,)}, "at least 1"),
        ({"batch": (1, 2)}, "one value or three"),
        ({"batch": (8, 4, 16)}, "must rise"),
        ({"batch": ()}, "one value or three"),
        ({"image_sizes": ((64, 64), (96, 32), (128, 128))}, "must rise"),
        ({"image_sizes": ((0, 64),)}, "at least 1"),
        ({"workspace_bytes": 0}, "workspace"),
        ({"optimization_level": 6}, "0..5"),
        ({"target_sms": (8,)}, "numbers like 86"),
        ({"version_compatible": True}, "no version compatible"),
        ({"timing_cache": Path("t")}, "no timing cache"),
    ],
)
def test_values_that_make_no_sense_for_rtx(options, message):
    with pytest.raises(UsageError, match=message):
        EnginePlan(MODEL, TENSORRT_RTX, **options)


def test_targets_are_for_rtx_only():
    with pytest.raises(UsageError, match="for TensorRT-RTX"):
        EnginePlan(MODEL, TENSORRT, target_sms=(86,))


@pytest.mark.parametrize(
    ("shape", "options", "expected"),
    [
        ((-1, 3, 224, 224), {}, [(1, 3, 224, 224), (8, 3, 224, 224), (32, 3, 224, 224)]),
        ((-1, 3, 64, 96), {"batch": (4,)}, [(4, 3, 64, 96)] * 3),
        ((-1, 64, 96, 3), {"batch": (4,)}, [(4, 64, 96, 3)] * 3),
        (
            (-1, 3, -1, -1),
            {"batch": (1, 2, 4), "image_sizes": ((32, 64), (64, 64), (96, 128))},
            [(1, 3, 32, 64), (2, 3, 64, 64), (4, 3, 96, 128)],
        ),
        (
            (-1, -1, -1, 3),
            {"batch": (1,), "image_sizes": ((32, 64),)},
            [(1, 32, 64, 3)] * 3,
        ),
    ],
)
def test_profiles(shape, options, expected):
    assert image_shapes(shape, EnginePlan(MODEL, TENSORRT_RTX, **options)) == expected


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 3, 64, 64), {"batch": (4,)}, "fixed batch of 2, but the plan asks for 4"),
        ((-1, 3, 64, 64), {"image_sizes": ((32, 64),)}, "fixed image side of 64"),
        ((-1, 3, -1, -1), {}, "leaves the image size free"),
    ],
)
def test_plans_that_do_not_fit_the_file(shape, options, message):
    with pytest.raises(UsageError, match=message):
        image_shapes(shape, EnginePlan(MODEL, TENSORRT_RTX, **options))
