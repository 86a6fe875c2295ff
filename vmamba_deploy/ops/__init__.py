"""The ops: the contract of each as data, its references, and its PyTorch operator."""
