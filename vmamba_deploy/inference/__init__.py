"""Run exported models in an application: `load(folder)`, then `classify(images)`.

Needs NumPy, Pillow, msgspec, and a runtime: ONNX Runtime, or TensorRT with cuda-python. Neither
PyTorch nor what exports a model is imported.
"""

from __future__ import annotations

from vmamba_deploy.inference.classifier import Classifier
from vmamba_deploy.inference.loading import RUNTIMES, load, load_classifier
from vmamba_deploy.inference.model import Model
from vmamba_deploy.tasks.classification import Prediction

__all__ = ["RUNTIMES", "Classifier", "Model", "Prediction", "load", "load_classifier"]
