"""The Debian packages that the C++ samples need: those of this machine, else unpacked ones."""

from __future__ import annotations

import platform
from pathlib import Path

from vmamba_deploy.native.debian import debian_packages
from vmamba_deploy.native.layout import toolchain_folder

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


def prefixes(include: Path = Path("/usr/include")) -> list[Path]:
    """Where CMake is to look beside the system: a folder of unpacked packages, or nothing.

    Raises:
        EnvironmentProblem: something is missing and this machine has no Debian mirror.
    """
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    names = missing_packages(include, release)
    if not names:
        return []
    folder = toolchain_folder() / f"samples-{release}-{'-'.join(sorted(names))}"
    debian_packages(names, release, folder)
    return [folder / "usr"]
