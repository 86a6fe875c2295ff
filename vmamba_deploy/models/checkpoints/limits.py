"""What a checkpoint of an image network may claim; more is refused before it costs anything."""

from __future__ import annotations

from typing import Final

MAX_FILE_BYTES: Final = 8 << 30
# What stands around the numbers: a pickle, a list of the records of an archive, a header of JSON.
MAX_PICKLE_BYTES: Final = 64 << 20
MAX_DIRECTORY_BYTES: Final = 64 << 20
MAX_HEADER_BYTES: Final = 16 << 20
MAX_STEPS: Final = 1_000_000
"""Of a pickle. So many steps take seconds, and at most some 350 MB where each makes a dict."""
MAX_INTEGER_BITS: Final = 1024
MAX_NAME_CHARACTERS: Final = 300
MAX_DIMENSIONS: Final = 16
MAX_TENSORS: Final = 20_000
MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000
"""In its containers, shared ones counted in each place."""
