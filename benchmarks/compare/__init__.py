"""`python -m benchmarks compare`: networks of papers as deployed files, side by side on a CPU."""
