"""What a file's configuration says of a VMamba network, against what is computed here.

Shapes do not tell how a network computes: a scan in one direction, or another activation, has the
same weights. The names and values are those of the public training code, its configuration files
and its ports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vmamba_deploy.errors import printable
from vmamba_deploy.models.checkpoints.settings import Settings
from vmamba_deploy.models.checkpoints.unreadable import refuse_configuration
from vmamba_deploy.models.family import Agreement
from vmamba_deploy.models.vmamba.config import DownsampleKind, StemKind, VMambaConfig

# The four routes of a cross scan, a LayerNorm and nothing else after it. The endings choose a
# gate, which the weights tell as well, or where training leaves float32.
_SAME_SCAN = re.compile(r"(?:v0|v0seq|v0[1-5]|v[1-4])(?:_?(noz|no32))*")
_FORWARD_KEYS = ("ssm_forwardtype", "forward_type", "forwardtype", "ssm_forward_type")
_SECTION_NAMES = re.compile(r"vssm|vmamba", re.IGNORECASE)
_NAMING_KEYS = ("type", "model_type", "model", "arch", "name")
_MAX_SHOWN = 60
_WITHOUT_EFFECT = frozenset(
    {
        *("attn_drop_rate", "drop_path_rate", "drop_rate", "mlp_drop_rate", "ssm_drop_rate"),
        *("init_cfg", "initialize", "ssm_init", "pretrained", "use_checkpoint", "ssm_rank_ratio"),
        *("name", "type", "num_classes", "out_indices", "channel_first", "imgsize", "img_size"),
    }
)


@dataclass(frozen=True)
class Option:
    """One thing that a configuration can say.

    Attributes:
        keys: its names, in lower case.
        agrees: whether a value says what the network computes.
        computed: what that is, as the training code would say it.
    """

    keys: tuple[str, ...]
    agrees: Callable[[object], bool]
    computed: str


def agreement(config: VMambaConfig | None, settings: Sequence[Settings], path: Path) -> Agreement:
    """See `Family.agreement`."""
    options = {key: option for option in _options(config) for key in option.keys}
    refused: list[str] = []
    notes: list[str] = []
    place = None
    for section in filter(_is_of_a_vmamba, settings):
        for key, value in section.values.items():
            option = options.get(key.lower())
            if option is None or value is None:
                if _is_unknown(section, key.lower(), value, options):
                    notes.append(
                        f"the file says {_shown(section, key, value)}, which this release does not "
                        "know"
                    )
            elif not option.agrees(value):
                refused.append(
                    f"the file's {section.place or 'configuration'} says {printable(key)}: "
                    f"{_value(value)}; this network computes {option.computed}"
                )
            elif key.lower() in _FORWARD_KEYS:
                place = place or section.place or "configuration"
    refuse_configuration(path, "was trained as another network", dict.fromkeys(refused))
    return Agreement(place, tuple(notes))


def _is_of_a_vmamba(section: Settings) -> bool:
    """By its place, by the model that it names, or by a key that no other model has."""
    keys = {key.lower(): value for key, value in section.values.items()}
    named = (name for key in _NAMING_KEYS if isinstance(name := keys.get(key), str))
    return (
        bool(_SECTION_NAMES.fullmatch(section.place.rpartition(".")[2]))
        or any(_SECTION_NAMES.search(name) for name in named)
        or any(key in _FORWARD_KEYS or key.startswith("ssm_") for key in keys)
    )


def _is_unknown(section: Settings, key: str, value: object, options: dict[str, Option]) -> bool:
    own = _SECTION_NAMES.fullmatch(section.place.rpartition(".")[2]) or key.startswith("ssm_")
    return bool(own) and key not in options and key not in _WITHOUT_EFFECT and bool(value)


def _options(config: VMambaConfig | None) -> Iterator[Option]:
    gate = "v05" if config is not None and config.gated else "v05_noz"
    yield Option(_FORWARD_KEYS, lambda value: _same_scan(value, config), gate)
    yield _one_of(("ssm_act_layer", "ssm_act", "hidden_act"), "silu", "swish")
    yield _one_of(("mlp_act_layer", "mlp_act"), "gelu")
    yield _one_of(("norm_layer",), "ln", "ln2d", "layernorm", "layernorm2d")
    yield _one_of(("scan_mode",), "cross2d", "0")
    yield _one_of(("layer_norm_eps", "norm_eps"), "1e-05")
    yield _flag(("patch_norm",), True)
    yield _flag(("post_norm", "gmlp", "shared_ssm", "share_ssm", "softmax", "use_bias"), False)
    yield _one_of(("patch_size",), "4", "4, 4")
    yield _one_of(("k_group",), "4")
    if config is not None:
        yield from _told_by_shapes(config)


def _told_by_shapes(config: VMambaConfig) -> Iterator[Option]:
    """What the weights tell as well: with a contradiction, one of the two is not the file's."""
    downsample = {
        DownsampleKind.PATCH_MERGING: "v1",
        DownsampleKind.CONV_2X2: "v2",
        DownsampleKind.CONV: "v3",
    }
    dims, first = config.dims, config.dims[0]
    doubling = dims == tuple(first * 2**stage for stage in range(len(dims)))
    yield _one_of(("depths",), _listed(config.depths))
    yield _one_of(
        ("dims", "embed_dim", "hidden_sizes"), _listed(dims), *([str(first)] if doubling else [])
    )
    yield _one_of(("ssm_d_state", "d_state", "ssm_state_size"), str(config.d_state))
    rank = str(config.rank(0))
    yield _one_of(("ssm_dt_rank", "dt_rank"), rank if config.dt_rank else "auto", rank)
    yield Option(
        ("ssm_ratio",),
        lambda value: _scaled(value, first) == config.inner_channels(0),
        f"{config.inner_channels(0) / first:g}",
    )
    yield Option(
        ("mlp_ratio",),
        lambda value: _scaled(value, first) == config.mlp_channels(0),
        f"{config.mlp_channels(0) / first:g}",
    )
    yield Option(
        ("ssm_conv", "ssm_conv_kernel", "d_conv"),
        lambda value: (
            _text(value) == str(config.conv_side)
            or (config.conv_side == 0 and _text(value) in ("0", "1", "-1"))
        ),
        str(config.conv_side),
    )
    if config.conv_side:
        yield _flag(("ssm_conv_bias", "conv_bias"), config.conv_bias)
    yield _flag(("ssm_use_gate",), config.gated)
    yield _one_of(("in_chans", "num_channels"), str(config.in_chans))
    yield _one_of(("downsample", "downsample_version"), downsample[config.downsample])
    stem = "v1" if config.stem is StemKind.PATCH else "v2"
    yield _one_of(("patchembed", "patchembed_version", "patch_embed_version"), stem)
    yield _flag(("posembed",), config.pos_embed is not None)


def _one_of(keys: tuple[str, ...], computed: str, *also: str) -> Option:
    said = (computed, *also)
    return Option(keys, lambda value: _text(value) in said, computed)


def _flag(keys: tuple[str, ...], computed: bool) -> Option:
    return _one_of(keys, str(computed).lower(), str(int(computed)))


def _same_scan(value: object, config: VMambaConfig | None) -> bool:
    text = _text(value)
    same = _SAME_SCAN.fullmatch(text) is not None
    return same and (config is None or ("noz" in text) != config.gated)


def _scaled(value: object, channels: int) -> int | None:
    """The channels that a ratio makes, as the training code rounds them."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
        return None
    return max(0, int(value * channels))


def _text(value: object) -> str:
    """A value as configurations write it: the class `torch.nn.SiLU` is silu."""
    if isinstance(value, list | tuple):
        return _listed(value)
    if isinstance(value, Mapping):
        return _text(value.get("type"))
    text = str(value).lower()
    words = re.findall(r"\w+", text)
    return text if isinstance(value, int | float) or not words else words[-1]


def _listed(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


def _shown(section: Settings, key: str, value: object) -> str:
    return f"{printable(section.named(key))}: {_value(value)}"


def _value(value: object) -> str:
    return printable(str(value)[:_MAX_SHOWN])
