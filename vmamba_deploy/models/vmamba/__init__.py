"""VMamba (arXiv 2401.10166): presets, layers, and the dialects of its published weights."""
