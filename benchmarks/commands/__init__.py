"""The commands of `python -m benchmarks`, by what they measure; each imports its part by itself."""
