"""TensorRT's messages into Python's logging, with the errors kept for the exception's text."""

from __future__ import annotations

import logging
from typing import Any

LOGGER = logging.getLogger("vmamba_deploy.tensorrt")


def make_logger(trt: Any) -> Any:
    """A TensorRT logger; its attribute `errors` lists what was reported as an error.

    TensorRT's information is our debug level: it writes a line per kernel.
    """
    levels = {
        trt.ILogger.INTERNAL_ERROR: logging.ERROR,
        trt.ILogger.ERROR: logging.ERROR,
        trt.ILogger.WARNING: logging.INFO,
        trt.ILogger.INFO: logging.DEBUG,
        trt.ILogger.VERBOSE: logging.DEBUG - 1,
    }

    class Bridge(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity, logging.DEBUG)
            if level == logging.ERROR:
                # The caller raises these; logging them too would print them twice.
                self.errors.append(message)
                level = logging.DEBUG
            LOGGER.log(level, "%s", message)

    return Bridge()
