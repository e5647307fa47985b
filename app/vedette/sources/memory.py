"""What a closed recording held goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


@cache
def _libc() -> Any:
    """The C library whose allocator can be told to; None where there is none (musl, macOS, Windows)."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None


def give_back() -> None:
    """Return freed memory to the system.

    FFmpeg keeps a table of every packet of an open MP4: some 25 MB for two hours, twice that while it is
    opened. The allocator keeps what was freed; each look back at a long recording for its report would add to
    the peak (measured on two hours: 555 MB without this, 496 MB with it).
    """
    library = _libc()
    if library is not None:
        library.malloc_trim(0)
