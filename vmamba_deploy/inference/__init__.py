"""Run exported models in an application: `load(folder)`, then `classify`, `segment` or `detect`.

Needs NumPy, Pillow, msgspec, and a runtime: ONNX Runtime, or TensorRT with cuda-python. Neither
PyTorch nor what exports a model is imported.
"""

from __future__ import annotations

from vmamba_deploy.inference.classifier import Classifier
from vmamba_deploy.inference.detector import Detector
from vmamba_deploy.inference.loading import RUNTIMES, load, load_classifier
from vmamba_deploy.inference.model import Model
from vmamba_deploy.inference.segmenter import Segmenter
from vmamba_deploy.inference.user_model import UserModel
from vmamba_deploy.tasks.classification import Prediction
from vmamba_deploy.tasks.detection import Detection, Detections
from vmamba_deploy.tasks.segmentation import Segmentation
from vmamba_deploy.tasks.windows import Slide

__all__ = [
    "RUNTIMES",
    "Classifier",
    "Detection",
    "Detections",
    "Detector",
    "Model",
    "Prediction",
    "Segmentation",
    "Segmenter",
    "Slide",
    "UserModel",
    "load",
    "load_classifier",
]
