"""The published Vim architectures by name. Imports nothing heavy."""

from __future__ import annotations

from vmamba_deploy.models.family import Preset
from vmamba_deploy.models.vim.config import VimConfig

_CHANNELS = {"tiny": 192, "small": 384, "base": 768}
_CONFIGS = {f"vim_{size}": VimConfig(channels) for size, channels in _CHANNELS.items()} | {
    f"vim_{size}_stride8": VimConfig(_CHANNELS[size], grid=(27, 27), stride=8)
    for size in ("tiny", "small")
}

PRESETS: dict[str, Preset[VimConfig]] = {
    name: Preset(name, config) for name, config in _CONFIGS.items()
}
ALIASES: dict[str, str] = {"vim": "vim_tiny"}
