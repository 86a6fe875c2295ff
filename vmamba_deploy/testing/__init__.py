"""What tests of an implementation of an op need: random calls, and the accuracy it must reach.

    from vmamba_deploy.testing import check_accuracy, random_case

    case = random_case(ScanDims(2, 9, 7, 96, 1, 6), FLOAT16, seed=1)
    check_accuracy(my_kernel(*case.inputs), case.expected, FLOAT32)

Arrays are NumPy's or, where a kernel runs in PyTorch, tensors (`random_tensors`). bfloat16 arrays
need the package ml_dtypes; nothing else here does.
"""

from vmamba_deploy.testing.accuracy import (
    DTYPE_PAIRS,
    LARGEST_LIMIT,
    NMSE_LIMITS,
    ROUNDING_ALLOWANCE,
    Errors,
    check_accuracy,
    errors_of,
    nmse_limit,
    numpy_dtype,
)
from vmamba_deploy.testing.roi_align import (
    SPECIAL_BOXES,
    RoiAlignCase,
    RoiAlignDims,
    random_roi_align_case,
)
from vmamba_deploy.testing.scan import (
    TRAINED_STEPS,
    ScanCase,
    ScanTensors,
    every_form,
    random_case,
    random_parameters,
    random_tensors,
)

__all__ = [
    "DTYPE_PAIRS",
    "LARGEST_LIMIT",
    "NMSE_LIMITS",
    "ROUNDING_ALLOWANCE",
    "SPECIAL_BOXES",
    "TRAINED_STEPS",
    "Errors",
    "RoiAlignCase",
    "RoiAlignDims",
    "ScanCase",
    "ScanTensors",
    "check_accuracy",
    "errors_of",
    "every_form",
    "nmse_limit",
    "numpy_dtype",
    "random_case",
    "random_parameters",
    "random_roi_align_case",
    "random_tensors",
]
