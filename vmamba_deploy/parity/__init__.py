"""Whether an exported model still computes what its PyTorch original computes."""

from __future__ import annotations
