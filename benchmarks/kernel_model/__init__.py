"""A model instead of a clock: what the CUDA kernels cost, read from their machine code."""
