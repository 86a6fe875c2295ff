"""Checkpoints and presets of Vim: what shapes, a name and a user tell, and what is refused."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.vim_golden import ASSUMED, FOLDER, described, loaded
from vmamba_deploy.errors import InputFileError, UsageError
from vmamba_deploy.models import create_model, family_of, load_model, load_weights, resolve_preset
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.vim.config import ClassToken, NormKind, Pooling, VimConfig
from vmamba_deploy.models.vim.family import VIM
from vmamba_deploy.models.vim.network import Vim, mixers
from vmamba_deploy.preprocessing import IMAGENET_PREPROCESSING

Weights = dict[str, Tensor]
NAME = "vim_tiny_patch8_224_bimambav2_final_pool_mean_abs_pos_embed_with_midclstok_div2"


@pytest.fixture
def weights() -> Weights:
    return dict(loaded("vim_mid").model.state_dict())


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(weights: Weights, **args: object) -> Path:
        content = {"model": weights} | ({"args": Namespace(**args)} if args else {})
        torch.save(content, tmp_path / "vim.pth")
        return tmp_path / "vim.pth"

    return save


def same(network: torch.nn.Module, weights: Weights) -> bool:
    state = network.state_dict()
    return state.keys() == weights.keys() and all(torch.equal(state[k], weights[k]) for k in state)


@pytest.mark.parametrize("name", ASSUMED)
def test_the_architecture_of_the_golden_networks(name):
    one, arch = loaded(name), described()[name]["arch"]
    config = one.model.config
    size = arch["img_size"]
    assert one.family is VIM
    assert config.image_size == (tuple(size) if isinstance(size, list) else (size, size))
    assert (config.channels, config.depth, config.d_state) == (
        arch["embed_dim"], arch["depth"], arch["d_state"],
    )  # fmt: skip
    assert (config.patch, config.stride) == (arch["patch_size"], arch["stride"])
    assert config.norm == (NormKind.RMS if arch["rms_norm"] else NormKind.LAYER)
    assert config.divide_out == arch["if_divide_out"]
    assert config.tokens == described()[name]["tokens"]
    assert sum(each.numel() for each in one.model.parameters()) == described()[name]["params"]
    assert one.preprocessing.crop_pixels == config.image_size


@pytest.mark.parametrize(
    ("name", "parameters", "tokens", "place"),
    [
        ("vim_tiny", 7_148_008, 197, 98),
        ("vim_tiny_stride8", 7_250_344, 730, 364),
        ("vim_small", 25_796_584, 197, 98),
        ("vim_small_stride8", 26_001_256, 730, 364),
        ("vim_base", 97_598_440, 197, 98),
    ],
)
def test_presets(name, parameters, tokens, place):
    preset = resolve_preset(name)
    config = preset.config
    assert family_of(preset) is VIM
    with torch.device("meta"):
        network = VIM.build(config)
    assert sum(each.numel() for each in network.parameters()) == parameters
    assert (config.tokens, config.class_places, config.image_size) == (tokens, (place,), (224, 224))
    assert preset.preprocessing == IMAGENET_PREPROCESSING
    in_file = network.state_dict()
    assert VIM.detect(in_file) == config
    assert VIM.preset_with(VIM.detect(in_file)) == name
    assert VIM.preset_with(replace(config, num_classes=5, grid=(20, 20))) == name
    assert VIM.preset_with(replace(config, divide_out=False)) is None
    (calls,) = VIM.op_calls(config, "classification")
    assert (calls.op[1], calls.count, calls.sizes["N"]) == ("SelectiveScan", 24, 16)


@pytest.mark.parametrize("prefix", ["", "module.", "student.net."])
def test_any_prefix_and_what_stands_beside_the_network(prefix, weights, saved):
    beside = {"criterion.weight": torch.ones(3)} if prefix else {}
    path = saved({prefix + key: value for key, value in weights.items()} | beside, model=NAME)
    assert same(load_model(path), weights)


def test_only_the_weights_are_needed_and_what_is_taken_is_said(weights, saved):
    one = load_weights(str(saved(weights)))
    assert same(one.model, weights)
    assert one.model.config == loaded("vim_mid").model.config
    (note,) = one.origin.notes
    assert note.startswith("the file does not say the place of the class token, whether the sum of")
    assert "class token middle, halved, stride 8, epsilon 1e-05" in note
    assert one.origin.architecture == "taken from shapes"
    named = load_weights(str(saved(weights, model=NAME)))
    assert named.origin.notes == ()
    assert named.origin.architecture.endswith("the file's args.model says the same")


def test_what_a_name_says(weights, saved):
    for words, divided, token in (
        (NAME, True, ClassToken.MIDDLE),
        (NAME.removesuffix("_div2"), False, ClassToken.MIDDLE),
        (NAME.replace("midclstok", "middle_cls_token"), True, ClassToken.MIDDLE),
    ):
        config = load_model(saved(weights, model=words)).config
        assert (config.divide_out, config.class_token) == (divided, token)


def test_options_of_the_public_network(weights, saved):
    options = {"if_divide_out": False, "use_middle_cls_token": False, "norm_epsilon": 1e-6}
    config = load_model(saved(weights, **options)).config
    assert (config.divide_out, config.class_token, config.norm_eps) == (
        False, ClassToken.FIRST, 1e-6,
    )  # fmt: skip


def test_the_user_says_more_than_the_file(weights, saved):
    path = saved(weights, model=NAME, input_size=64)
    assumed = {"class-token": "first", "divide-out": "no", "norm-eps": "1e-6"}
    config = load_model(path, assume=assumed).config
    assert (config.class_token, config.divide_out, config.norm_eps) == (
        ClassToken.FIRST, False, 1e-6,
    )  # fmt: skip
    one = load_weights(str(path), choice=WeightsChoice(assumed=(("stride", "4"),)))
    assert one.model.config.image_size == (36, 36)
    assert one.origin.assumed == (("stride", "4"),)
    assert one.origin.architecture == "taken from shapes; assumed: stride=4"


@pytest.mark.parametrize(
    ("name", "size", "stride", "image"),
    [
        ("vim_mid", None, None, (64, 64)),
        ("vim_mid", "36", None, (36, 36)),
        ("vim_mid", "128x32", None, (128, 32)),
        ("vim_stride", "64", None, (64, 64)),
        ("vim_stride", None, "8", (120, 120)),
    ],
)
def test_stride_and_size_follow_from_each_other(name, size, stride, image, saved):
    path = saved(dict(loaded(name).model.state_dict()))
    said = {"image-size": size, "stride": stride}
    network = load_model(path, assume={key: text for key, text in said.items() if text})
    assert network.image_size == image


def test_sizes_that_the_patches_do_not_make(weights, saved):
    with pytest.raises(UsageError, match="positions for 64 patches of 8 pixels"):
        load_model(saved(weights), assume={"image-size": "72x64"})
    with pytest.raises(InputFileError, match="positions for 15 patches") as refused:
        load_model(FOLDER / "vim_head.pth")
    assert "--assume image-size=HEIGHTxWIDTH" in refused.value.hint


@pytest.mark.parametrize(
    "assumed",
    [
        {"class-token": "last"},
        {"divide-out": "maybe"},
        {"norm-eps": "-1"},
        {"stride": "0"},
        {"image-size": "big"},
        {"channels": "1"},
    ],
)
def test_what_cannot_be_assumed(assumed, weights, saved):
    with pytest.raises(UsageError, match="cannot be assumed of a Vim") as refused:
        load_model(saved(weights), assume=assumed)
    assert "divide-out=yes or no" in refused.value.hint


def test_nothing_can_be_assumed_where_shapes_tell_all(saved):
    with pytest.raises(UsageError, match="Shapes tell all of a VMamba"):
        load_model("tests/data/golden/vssm_s1.pth", assume={"class-token": "first"})
    with pytest.raises(UsageError, match="class token none"):
        load_model(FOLDER / "vim_pool.pth", assume={"class-token": "first"})


def one(key: str) -> Callable[[Weights], Weights]:
    return lambda weights: weights | {key: torch.zeros(4)}


def without(*parts: str) -> Callable[[Weights], Weights]:
    return lambda weights: {
        key: value for key, value in weights.items() if not any(part in key for part in parts)
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (one("rope.freqs_cos"), "rotary position embedding"),
        (one("layers.2.mixer.gamma"), "a layer scale"),
        (without("conv1d_b", "x_proj_b", "dt_proj_b", "D_b"), "bimamba v1"),
        (without("_b."), "bimamba v1"),
        (without("A_b_log"), "in one direction"),
        (without("pos_embed"), "there is no 'pos_embed'"),
        (without("head."), "there is no 'head.weight'"),
    ],
)
def test_other_networks_are_refused_by_name(change, reason, weights, saved):
    with pytest.raises(InputFileError, match=reason) as refused:
        load_model(saved(change(weights), model=NAME))
    assert "weights of a Vim: " in refused.value.message
    assert "VMamba" not in refused.value.message


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"model": NAME.replace("abs_pos", "rope_abs_pos")}, "rotary position embedding"),
        ({"model": NAME, "if_bidirectional": True}, "pairs of blocks"),
        ({"bimamba_type": "v1"}, "another mixer than bimamba v2"),
        ({"bimamba_type": "v2", "final_pool_type": "max"}, "another pooling"),
    ],
)
def test_what_a_file_says_and_is_not_computed_is_refused(said, reason, weights, saved):
    with pytest.raises(InputFileError, match=reason):
        load_model(saved(weights, **said))


def test_a_part_that_is_missing_or_too_much_is_named(weights, saved):
    with pytest.raises(InputFileError, match="missing from the file") as refused:
        load_model(saved(without("layers.2.mixer.D_b")(weights)))
    assert "layers.2.mixer.D_b" in refused.value.message
    with pytest.raises(InputFileError, match="unexpected in the file"):
        load_model(saved(one("layers.1.mixer.E")(weights)))


def test_a_file_that_says_another_network_than_the_preset(saved):
    network = create_model("vim_tiny")
    name = NAME.replace("patch8", "patch16").removesuffix("_div2")
    path = saved(dict(network.state_dict()), model=name)
    with pytest.raises(InputFileError, match=r"is not preset vim_tiny: its args\.model says"):
        load_model(path, "vim_tiny")
    assert load_model(path).preset_name is None
    kept = load_model(path, "vim_tiny", assume={"divide-out": "yes"})
    assert kept.preset_name == "vim_tiny"


def double(config: VimConfig, weights: Weights) -> tuple[VimConfig, Weights]:
    """The network with a class token at each end."""
    changed = without("cls_token")(weights)
    tokens = {f"cls_token_{end}": torch.randn(1, 1, config.channels) for end in ("head", "tail")}
    positions = torch.randn(1, config.patches + 2, config.channels)
    return replace(config, class_token=ClassToken.BOTH_ENDS), changed | tokens | {
        "pos_embed": positions
    }


@torch.inference_mode()
def test_a_class_token_at_each_end(weights, saved):
    config, changed = double(loaded("vim_mid").model.config, weights)
    network = load_model(saved(changed))
    assert network.config == config
    assert config.class_places == (0, 65)
    image = torch.randn(2, 3, 64, 64)
    patches = F.conv2d(
        image, changed["patch_embed.proj.weight"], changed["patch_embed.proj.bias"], stride=8
    )
    ends = (changed[f"cls_token_{end}"].expand(2, -1, -1) for end in ("head", "tail"))
    head, tail = ends
    x = torch.cat([head, patches.flatten(2).transpose(1, 2), tail], dim=1) + changed["pos_embed"]
    np.testing.assert_allclose(network.embedded(image)[:, 0], x, rtol=0, atol=1e-5)
    x = x[:, None]
    for block in network.layers:
        x = block(x)
    normed = network.norm_f(x)[:, 0]
    wanted = network.head((normed[:, 0] + normed[:, -1]) / 2)
    np.testing.assert_allclose(network(image), wanted, rtol=0, atol=1e-5)


@torch.inference_mode()
def test_the_last_token_where_there_is_no_class_token():
    network = load_model(FOLDER / "vim_pool.pth", assume={"pooling": "last"})
    assert network.config.pooling is Pooling.LAST
    x = network.embedded(torch.randn(1, 3, 56, 56))
    wanted = network.norm_f(x)[:, 0, -1]
    np.testing.assert_allclose(network.pooled(x), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ASSUMED)
def test_positions_are_resized_as_a_map_around_the_class_token(name):
    network = loaded(name).model
    config = network.config
    size = tuple(side + 3 * config.stride for side in config.image_size)
    sized = VIM.for_size(network, size)
    assert isinstance(sized, Vim)
    assert (sized.image_size, sized.config.image_size) == (size, size)
    assert VIM.for_size(network, network.image_size) is network
    rows, wanted = network.pos_embed.detach()[0], sized.pos_embed.detach()[0]
    before, after = config.class_places, sized.config.class_places
    if config.class_token is ClassToken.MIDDLE:
        assert after == (sized.config.patches // 2,)
    np.testing.assert_array_equal(wanted[list(after)], rows[list(before)])
    of_patches = np.delete(rows.numpy(), before, axis=0)
    maps = of_patches.reshape(*config.grid, -1).transpose(2, 0, 1)[None]
    resized = F.interpolate(torch.from_numpy(maps), sized.config.grid, mode="bicubic")
    got = np.delete(wanted.numpy(), after, axis=0).reshape(*sized.config.grid, -1)
    np.testing.assert_allclose(got, resized[0].permute(1, 2, 0), rtol=0, atol=1e-6)
    with torch.inference_mode():
        assert sized(torch.randn(1, 3, *size)).shape == (1, config.num_classes)


def test_images_of_another_size_are_refused():
    network = loaded("vim_mid").model
    with pytest.raises(UsageError, match="images of 64x64 pixels alone"):
        network(torch.zeros(1, 3, 72, 64))
    with pytest.raises(UsageError, match="images of 70x64 pixels do not fit") as refused:
        VIM.for_size(network, (70, 64))
    assert "8 + n * 8" in refused.value.hint


def test_the_same_seed_gives_the_same_weights():
    first, again, other = (create_model("vim_tiny", seed=seed) for seed in (1, 1, 2))
    assert same(first, dict(again.state_dict()))
    for key, value in first.state_dict().items():
        assert value.isfinite().all(), key
        fixed = key.rpartition(".")[2] in ("A_log", "A_b_log", "D", "D_b")
        assert torch.equal(value, other.state_dict()[key]) == fixed, key


@torch.inference_mode()
def test_every_scan_matters_under_random_weights():
    """Else comparing runtimes with them would not notice a direction that is lost."""
    network, image = create_model("vim_tiny", num_classes=10), torch.randn(1, 3, 224, 224)
    logits = network(image)
    mixer = mixers(network)[3]
    backward = mixer.get_parameter("x_proj_b.weight")
    backward[-network.config.d_state :] = 0  # C: what is read of the state
    assert (network(image) - logits).norm() > 1e-2 * logits.norm()


@torch.inference_mode()
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_what_is_cast_and_what_stays(precision):
    model = loaded("vim_mid").model
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    network = VIM.cast(model, precision)
    VIM.freeze(network)
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    kept = ("norm", "head", "A_", "D", "dt_proj", "cls_token", "pos_embed")
    for path, parameter in network.named_parameters():
        wide = any(part.startswith(kept) for part in path.split("."))
        assert parameter.dtype == (torch.float32 if wide else dtype), path
    own = mixers(network)[0].operands()
    assert {getattr(own, key).dtype for key in ("dt_weight", "dt_bias", "a", "d")} == {
        torch.float32
    }
    assert {own.conv.dtype, own.x_proj.dtype, own.out_proj.dtype} == {dtype}
    image = torch.randn(2, 3, 64, 64)
    wanted, got = model(image), network(image)
    assert got.dtype == torch.float32
    nmse = (got - wanted).square().sum() / wanted.square().sum()
    assert 0 < nmse < {"fp16": 1e-4, "bf16": 5e-3}[precision]
