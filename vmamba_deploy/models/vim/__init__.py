"""Vim, Vision Mamba: a sequence of patches scanned in two directions (arXiv 2401.09417)."""
