"""Measurements: `python -m benchmarks` compares, `make gpu-check` proves on a GPU."""
