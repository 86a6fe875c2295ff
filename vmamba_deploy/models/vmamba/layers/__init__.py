"""The layers of VMamba. Every feature map inside is channels-last, [B, H, W, C]."""
