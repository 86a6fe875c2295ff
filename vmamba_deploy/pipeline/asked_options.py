"""The options of a run as a file in its folder, from which it can be repeated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import vmamba_deploy
from vmamba_deploy.addresses import without_secrets

OPTIONS_NAME = "export.toml"


@dataclass(frozen=True, eq=False)
class AskedOptions:
    """What a command line asked for.

    Attributes:
        values: by the long names of options.
        paths: names of those that are paths, with the words that stand for none.
    """

    values: Mapping[str, bool | int | float | str | list[str]]
    paths: Mapping[str, frozenset[str]]

    def text(self, folder: Path) -> str:
        """TOML, for `--config`: paths are relative to `folder`, where it will lie.

        The query of an address is left out, for it may be a secret.
        """
        import tomlkit

        document = tomlkit.document()
        document.add(tomlkit.comment(f"vmamba-deploy {vmamba_deploy.__version__}"))
        document.add(tomlkit.comment("vmamba-deploy export --config export.toml --output FOLDER"))
        for key, value in self.values.items():
            if key in self.paths and value not in self.paths[key]:
                value, secret = _place(str(value), folder)
                if secret:
                    document.add(tomlkit.comment(f"{key}: its query was left out; add it"))
            document.add(key, tomlkit.item(value))
        return tomlkit.dumps(document)


def _place(value: str, folder: Path) -> tuple[str, bool]:
    """A path from the folder, or an address without its query; and whether it had one."""
    if "://" not in value:
        return os.path.relpath(os.path.realpath(value), os.path.realpath(folder)), False
    plain = without_secrets(value)
    return plain, plain != value
