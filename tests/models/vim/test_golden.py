"""Vim gives what the public code gave, from its checkpoints; mutated networks do not."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.vim_golden import ASSUMED, FOLDER, HIDDEN, arrays, check_logits, loaded
from vmamba_deploy.models import load_weights
from vmamba_deploy.models.checkpoints.choice import WeightsChoice
from vmamba_deploy.models.vim.config import ClassToken
from vmamba_deploy.models.vim.mixer import Mixer
from vmamba_deploy.models.vim.network import RMSNorm, Vim, mixers


@torch.inference_mode()
def check_network(network: Vim, name: str, *, frozen: bool = False) -> None:
    """What enters and leaves every mixer, the last norm, and the logits."""
    golden, seen = arrays(name), {}

    def note(key, of_input=False):
        return lambda _module, inputs, output: seen.update({key: inputs[0] if of_input else output})

    hooks = []
    for number, block in enumerate(network.layers):
        hooks.append(block.mixer.register_forward_hook(note(f"hidden{number}")))
        hooks.append(block.register_forward_hook(note(f"residual{number}", of_input=True)))
    if frozen:
        for mixer in mixers(network):
            mixer.freeze()
    try:
        logits = network(torch.from_numpy(golden["input"]))
    finally:
        for hook in hooks:
            hook.remove()
    for key, tokens in seen.items():
        got = tokens.squeeze(1).numpy()
        np.testing.assert_allclose(got, golden[key], rtol=0, atol=HIDDEN, err_msg=key)
    assert len(seen) == 2 * network.config.depth
    check_logits(logits.numpy(), name)


@pytest.mark.parametrize("name", ASSUMED)
def test_the_tokens_and_logits_of_the_public_code(name):
    check_network(loaded(name).model, name)


@pytest.mark.parametrize("name", ["vim_mid", "vim_head"])
def test_what_is_kept_for_an_export_computes_the_same(name):
    check_network(copy.deepcopy(loaded(name).model), name, frozen=True)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["vim_mid", "vim_head"])
def test_what_each_direction_scans_and_gives(name):
    """Inside block 1; gated as the public code does, each direction by itself."""
    golden, mixer = arrays(name), loaded(name).model.layers[1].mixer
    tokens = loaded(name).model.layers[1].norm(torch.from_numpy(golden["residual1"])[:, None])
    x, gate = mixer.in_proj(tokens).chunk(2, dim=-1)
    scanned = mixer.convolved(x, mixer.operands()).squeeze(2).numpy()
    for got, key in zip(scanned, ("x_forward", "x_backward"), strict=True):
        np.testing.assert_allclose(got, golden[key], rtol=0, atol=HIDDEN)
    both = golden["gated_forward"] + golden["gated_backward"]
    y = F.linear(torch.from_numpy(both), mixer.operands().out_proj)
    np.testing.assert_allclose(y.numpy(), golden["hidden1"], rtol=0, atol=HIDDEN)
    assert gate.shape == x.shape


def mutate_epsilon(network):
    """1e-6: noticed in the logits at 2e-5 alone."""
    for module in network.modules():
        if isinstance(module, RMSNorm):
            module.eps = 1e-6


def swap(first, second):
    def mutate(network):
        for mixer in mixers(network):
            one, other = mixer.get_parameter(first), mixer.get_parameter(second)
            one.data, other.data = other.data, one.data

    mutate.__name__ = f"{first}_and_{second}"
    return mutate


def mutate_padding(network):
    """The backward convolution sees the tokens on the left, as the forward one."""
    with_operands(network, lambda own: own, left_only=True)


def mutate_reversal(network):
    """The backward kernel as it is in the file."""
    with_operands(
        network, lambda own: own._replace(conv=torch.stack([own.conv[0], own.conv[1].flip(3)]))
    )


def with_operands(network, change, *, left_only=False):
    for mixer in mixers(network):
        operands = mixer.operands
        mixer.operands = lambda operands=operands: change(operands())
        if left_only:
            mixer.convolved = one_sided.__get__(mixer)


def one_sided(self, x, own):
    channels_first = F.pad(x.permute(0, 3, 1, 2), (3, 0))
    parts = [
        F.conv2d(channels_first, kernel, bias, groups=len(kernel)).permute(0, 2, 3, 1)
        for kernel, bias in zip(own.conv, own.conv_bias, strict=True)
    ]
    return F.silu(torch.stack(parts))


def mutate_gate(network):
    """Once for each direction, and once for both."""
    for mixer in mixers(network):
        forward = mixer.forward

        def twice(tokens, mixer=mixer, forward=forward):
            gate = mixer.in_proj(tokens).chunk(2, dim=-1)[1]
            once = mixer.operands()
            patched = once._replace(out_proj=torch.eye(once.out_proj.shape[1]))
            mixer.operands = lambda: patched
            y = forward(tokens) * F.silu(gate)
            mixer.operands = lambda: once
            return F.linear(y, once.out_proj)

        mixer.forward = twice


def mutate_class_token(network):
    """First in the sequence: also read there."""
    network.config = replace(network.config, class_token=ClassToken.FIRST)


def mutate_place(network):
    """One patch later, as if there were two patches more."""
    embedded = network.embedded
    place = network.config.class_places[0]

    def one_later(image):
        x = embedded(image) - network.pos_embed
        order = [*range(place), place + 1, place, *range(place + 2, x.shape[2])]
        return x[:, :, order] + network.pos_embed

    network.embedded = one_later


def mutate_positions(network):
    """In the order before the class token is put among the patches."""
    place = network.config.class_places[0]
    rows = network.pos_embed.data
    others = [i for i in range(rows.shape[1]) if i != place]
    network.pos_embed.data = torch.cat([rows[:, [place]], rows[:, others]], dim=1)


def mutate_halving(network):
    for mixer in mixers(network):
        mixer.divide_out = not mixer.divide_out


def mutate_pooling(network):
    """The mean over tokens that the name of the published networks promises."""
    network.config = replace(network.config, class_token=ClassToken.NONE)
    embedded = loaded("vim_mid").model.embedded
    network.embedded = embedded


MUTATIONS = [
    mutate_epsilon,
    swap("D", "D_b"),
    swap("A_log", "A_b_log"),
    swap("dt_proj.bias", "dt_proj_b.bias"),
    mutate_padding,
    mutate_reversal,
    mutate_gate,
    mutate_class_token,
    mutate_place,
    mutate_positions,
    mutate_halving,
    mutate_pooling,
]


@torch.inference_mode()
@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda one: one.__name__)
def test_a_mutated_network_is_noticed_in_its_logits(mutate):
    network = copy.deepcopy(loaded("vim_mid").model)
    mutate(network)
    logits = network(torch.from_numpy(arrays("vim_mid")["input"])).numpy()
    with pytest.raises(AssertionError):
        check_logits(logits, "vim_mid")


@torch.inference_mode()
def test_the_moving_average_is_another_network():
    path = str(FOLDER / "vim_mid.pth")
    average = load_weights(path, choice=WeightsChoice(key="model_ema"))
    assert loaded("vim_mid").origin.key == "model"
    logits = average.model(torch.from_numpy(arrays("vim_mid")["input"])).numpy()
    with pytest.raises(AssertionError):
        check_logits(logits, "vim_mid")


def test_gating_mutation_computes_the_same_without_the_second_gate():
    """That the mutation differs from the network in the gate alone."""
    network = copy.deepcopy(loaded("vim_mid").model)
    for mixer in mixers(network):
        assert isinstance(mixer, Mixer)
        own = mixer.operands()
        identity = own._replace(out_proj=torch.eye(own.out_proj.shape[1]))
        forward = mixer.forward

        def apart(tokens, mixer=mixer, own=own, identity=identity, forward=forward):
            mixer.operands = lambda: identity
            return F.linear(forward(tokens), own.out_proj)

        mixer.forward = apart
    check_network(network, "vim_mid")
