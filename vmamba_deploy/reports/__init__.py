"""The report of an export: what ran, what was skipped and why, how far figures are apart."""

from __future__ import annotations
