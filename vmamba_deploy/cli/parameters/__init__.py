"""Options that commands share, one file an idea."""

from vmamba_deploy.cli.parameters.artifact import artifact_and_images, artifact_argument
from vmamba_deploy.cli.parameters.comparison import require_option
from vmamba_deploy.cli.parameters.engine import engine_options
from vmamba_deploy.cli.parameters.images import max_pixels_option, preprocessing_options
from vmamba_deploy.cli.parameters.kinds import (
    Assumption,
    BatchList,
    Capabilities,
    Crop,
    ImageSize,
    Names,
    Numbers,
    Shapes,
)
from vmamba_deploy.cli.parameters.networks import network_option, weights_options
from vmamba_deploy.cli.parameters.precision import (
    pop_precision,
    pop_quantization,
    precision_flags,
    quantization_options,
)

__all__ = [
    "Assumption",
    "BatchList",
    "Capabilities",
    "Crop",
    "ImageSize",
    "Names",
    "Numbers",
    "Shapes",
    "artifact_and_images",
    "artifact_argument",
    "engine_options",
    "max_pixels_option",
    "network_option",
    "pop_precision",
    "pop_quantization",
    "precision_flags",
    "preprocessing_options",
    "quantization_options",
    "require_option",
    "weights_options",
]
