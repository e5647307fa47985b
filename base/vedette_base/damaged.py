"""What reading a damaged checkpoint can raise: its bytes steer the reader, which stumbles in many ways."""

from __future__ import annotations

import pickle
import struct
import zipfile

DAMAGED: tuple[type[Exception], ...] = (
    OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError,
    OverflowError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""Of ``torch.load(..., weights_only=True)`` and ``numpy.load(..., allow_pickle=False)``."""
