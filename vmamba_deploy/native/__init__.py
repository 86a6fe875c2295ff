"""Finding and building the native libraries: `library_path("vmamba_cpu")`."""

from __future__ import annotations

from vmamba_deploy.native.building import available, build, library_path
from vmamba_deploy.native.layout import LIBRARIES
from vmamba_deploy.native.shared_object import check_loadable

__all__ = [
    "LIBRARIES",
    "available",
    "build",
    "check_loadable",
    "library_path",
]
