"""docs/performance.md and its figures, made from measured results."""
