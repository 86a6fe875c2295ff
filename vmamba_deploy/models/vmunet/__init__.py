"""VM-UNet: VMamba's blocks down and up again, classes of pixels (arXiv 2402.02491)."""
