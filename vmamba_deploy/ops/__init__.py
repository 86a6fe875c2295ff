"""The op: its contract as data, its references, and its PyTorch operator."""
