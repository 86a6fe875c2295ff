"""VM-UNet gives what the public code gave, from its checkpoints; mutated ones do not."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from tests.vmunet_golden import MAPS, NAMES, arrays, check, loaded
from vmamba_deploy.models.vmunet.network import PatchExpand, VMUNet


@torch.inference_mode()
def check_network(network: VMUNet, name: str) -> None:
    """The map after every stage, then the logits and labels."""
    golden, seen = arrays(name), {}

    def note(key):
        return lambda _module, _inputs, output: seen.update({key: output.numpy()})

    hooks = []
    for stage in range(4):
        hooks.append(network.layers[stage].downsample.register_forward_hook(note(f"down{stage}")))
        hooks.append(network.layers_up[stage].register_forward_hook(note(f"up{stage}")))
    try:
        outputs = network(torch.from_numpy(golden["input"]))
    finally:
        for hook in hooks:
            hook.remove()
    for key, map_ in seen.items():
        np.testing.assert_allclose(map_, golden[key], rtol=0, atol=MAPS, err_msg=key)
    assert len(seen) == 8
    check({key: each.numpy() for key, each in outputs.items()}, name)


@pytest.mark.parametrize("name", NAMES)
def test_the_maps_and_logits_of_the_public_code(name):
    check_network(loaded(name).model, name)


def mutate_no_skip(network):
    """The way up alone."""
    decoded = network.decoded
    network.decoded = lambda x, skips: decoded(x, [torch.zeros_like(skip) for skip in skips])


def mutate_skip_after(network):
    """A skip is added behind the step to its size, in the place of before it."""
    first_skip = []
    encoded = network.encoded

    def with_first(image):
        first_skip[:] = [network.patch_embed(image)]
        return encoded(image)

    def decoded(x, skips):
        x = network.layers_up[0](x)
        for stage, skip in zip(
            list(network.layers_up)[1:], [*skips[1::-1], *first_skip], strict=True
        ):
            x = stage.blocks(stage.upsample(x) + skip)
        return x

    network.encoded, network.decoded = with_first, decoded


def mutate_skip_of_blocks(network):
    """What left a stage's blocks, in the place of what entered them."""

    def encoded(image):
        x, left = network.patch_embed(image), []
        for stage in network.layers:
            x = stage.blocks(x)
            left.append(x)
            x = stage.downsample(x)
        return x, left[1:]

    network.encoded = encoded


def spread_otherwise(order):
    def mutate(network):
        def forward(self, x):
            batch, height, width, channels = x.shape
            side, left = self.factor, channels // self.factor
            sizes = {"r": side, "s": side, "c": left}
            x = self.expand(x).reshape(batch, height, width, *(sizes[axis] for axis in order))
            places = {axis: 3 + order.index(axis) for axis in "rsc"}
            x = x.permute(0, 1, places["r"], 2, places["s"], places["c"])
            return self.norm(x.reshape(batch, side * height, side * width, left))

        for module in network.modules():
            if isinstance(module, PatchExpand):
                module.forward = forward.__get__(module)

    mutate.__name__ = f"spread_{order}"
    return mutate


def mutate_merging_order(network):
    """Pixels side by side row by row, in the place of column by column."""
    for stage in network.layers[:3]:
        merging = stage.downsample
        group = merging.norm.weight.shape[0] // 4
        order = torch.arange(4 * group).reshape(4, group)[[0, 2, 1, 3]].flatten()
        merging.norm.weight.data = merging.norm.weight.data[order]
        merging.norm.bias.data = merging.norm.bias.data[order]
        merging.reduction.weight.data = merging.reduction.weight.data[:, order]


def mutate_norm(network):
    for module in network.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = 1e-6


def mutate_gate(network):
    """SiLU of the other half."""
    for stage in [*network.layers, *network.layers_up]:
        for block in stage.blocks:
            weight = block.op.in_proj.weight
            weight.data = torch.cat(weight.data.chunk(2)[::-1])


MUTATIONS = [
    mutate_no_skip,
    mutate_skip_after,
    mutate_skip_of_blocks,
    spread_otherwise("crs"),
    spread_otherwise("src"),
    mutate_merging_order,
    mutate_norm,
    mutate_gate,
]


def test_the_true_order_passes():
    """That the mutations of the order differ from it in nothing else."""
    network = copy.deepcopy(loaded("vmunet_binary").model)
    spread_otherwise("rsc")(network)
    check_network(network, "vmunet_binary")


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda one: one.__name__)
def test_a_mutated_network_is_noticed(mutate):
    network = copy.deepcopy(loaded("vmunet_binary").model)
    mutate(network)
    with pytest.raises(AssertionError):
        check_network(network, "vmunet_binary")
