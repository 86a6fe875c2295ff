"""Run exported models in an application: `load(folder)`, then `classify(images)`.

Needs NumPy, Pillow, jsonschema, and a runtime: ONNX Runtime, or TensorRT with cuda-python. Neither
PyTorch nor what exports a model is imported.
"""

from __future__ import annotations

from vmamba_deploy.inference.classifier import Classifier, Prediction
from vmamba_deploy.inference.loading import RUNTIMES, load

__all__ = ["RUNTIMES", "Classifier", "Prediction", "load"]
