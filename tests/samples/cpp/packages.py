"""The Debian packages that the C++ samples need: those of this machine, else unpacked ones."""

from __future__ import annotations

import hashlib
import platform
import sysconfig
from pathlib import Path

from vmamba_deploy.errors import EnvironmentProblem
from vmamba_deploy.native.fetch import debian_packages
from vmamba_deploy.native.layout import downloads_allowed, toolchain_folder

MULTIARCH = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
# A file of each -dev package below /usr/include, and what stands beside it at run time: by the
# release's name where that differs.
_NEEDED = {
    "nlohmann/json.hpp": ("nlohmann-json3-dev",),
    "jpeglib.h": ("libjpeg62-turbo-dev", "libjpeg62-turbo"),
    "png.h": ("libpng-dev", {"bookworm": "libpng16-16", "*": "libpng16-16t64"}),
    "zlib.h": ("zlib1g-dev", "zlib1g"),
    "openssl/evp.h": ("libssl-dev", {"bookworm": "libssl3", "*": "libssl3t64"}),
}


def missing_packages(include: Path, release: str) -> list[str]:
    """The packages whose headers are not below `include`."""
    names = []
    for header, packages in _NEEDED.items():
        if not (include / header).is_file():
            for name in packages:
                names.append(name if isinstance(name, str) else name.get(release, name["*"]))
    return names


def unpacked(include: Path = Path("/usr/include")) -> Path | None:
    """The prefix of unpacked packages where this machine lacks some; None where it lacks nothing.

    Raises:
        EnvironmentProblem: some are missing, and they may not be fetched or there is no mirror.
    """
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    names = missing_packages(include, release)
    if not names:
        return None
    if not downloads_allowed():
        raise EnvironmentProblem(
            f"packages are missing: {', '.join(names)}", hint=f"apt-get install {' '.join(names)}"
        )
    key = hashlib.sha256(" ".join(names).encode()).hexdigest()[:8]
    folder = toolchain_folder() / f"samples-{release}-{key}"
    debian_packages(names, release, folder)
    return folder / "usr"


def cmake_settings(prefix: Path | None) -> dict[str, str]:
    """What makes CMake find them before the system's."""
    if prefix is None:
        return {}
    # Some headers include others of the folder that belongs to this kind of machine.
    return {
        "CMAKE_PREFIX_PATH": str(prefix),
        "CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES": str(prefix / "include" / MULTIARCH),
    }
