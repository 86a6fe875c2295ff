"""What is measured on a GPU: the op, the network, image sizes, layers, hardware counters.

Each has an entry in `python -m benchmarks`. On a CPU with `--tiny` the same code runs small sizes,
which rehearses it and measures nothing.
"""
