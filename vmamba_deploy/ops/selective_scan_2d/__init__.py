"""The op that is the core of VMamba's SS2D block (docs/selective_scan_2d.md)."""
