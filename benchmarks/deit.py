"""DeiT-Ti (arXiv 2012.12877): what Vim-tiny is measured beside, written from its description.

A ViT of 12 blocks, 192 channels and 3 heads over 196 patches of 16 x 16 and a class token, with a
LayerNorm before each part of a block, an MLP of four times the channels with GELU, and biases
everywhere. Random weights: times do not hang on them. timm's `deit_tiny_patch16_224` has the same
layers and as many parameters, and attention by the same `scaled_dot_product_attention`.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS, BLOCKS, HEADS, PATCH, SIDE, CLASSES = 192, 12, 3, 16, 224, 1000
EPSILON = 1e-6


class Attention(nn.Module):
    """Every token looks at every other."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(CHANNELS, 3 * CHANNELS)
        self.proj = nn.Linear(CHANNELS, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, L, C] to [B, L, C]."""
        batch, length, _ = x.shape
        parts = self.qkv(x).reshape(batch, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(*parts.unbind(0))
        y: Tensor = self.proj(seen.transpose(1, 2).reshape(batch, length, CHANNELS))
        return y


class Block(nn.Module):
    """x + Attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.LayerNorm(CHANNELS, eps=EPSILON) for _ in range(2))
        self.attn = Attention()
        self.mlp = nn.Sequential(
            nn.Linear(CHANNELS, 4 * CHANNELS), nn.GELU(), nn.Linear(4 * CHANNELS, CHANNELS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, L, C] to [B, L, C]."""
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class DeiTTiny(nn.Module):
    """Images [B, 3, 224, 224] to logits [B, 1000]."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, CHANNELS, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.randn(1, 1, CHANNELS))
        self.pos_embed = nn.Parameter(torch.randn(1, (SIDE // PATCH) ** 2 + 1, CHANNELS))
        self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
        self.norm = nn.LayerNorm(CHANNELS, eps=EPSILON)
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Classify."""
        patches = self.patch_embed(pixel_values).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(pixel_values.shape[0], -1, -1), patches], dim=1)
        x = self.blocks(x + self.pos_embed)
        logits: Tensor = self.head(self.norm(x)[:, 0])
        return logits


def write_deit(path: Path) -> None:
    """Export it as this project's networks are: opset 20, a free batch."""
    torch.onnx.export(
        DeiTTiny().eval(),
        (torch.zeros(2, 3, SIDE, SIDE),),
        path,
        dynamo=True,
        opset_version=20,
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        external_data=False,
        verbose=False,
    )
