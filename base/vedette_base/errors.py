"""Every error Vedette raises on purpose.

::

    VedetteError
    ├── InputError (ValueError)            a value that the caller gave is wrong
    │   ├── ConfigError                    a configuration file: names file, key and nearest key
    │   └── DataError                      a manifest, label file or data set that cannot be used
    ├── MediaError (OSError)               a recording, device or stream that cannot be read
    │   └── NoMediumError                  it opens, but holds neither sound nor picture
    ├── BundleError (RuntimeError)         a model bundle that is missing, damaged or refused
    │   └── ParityError                    an export that does not give what its network gave
    ├── OutputError (OSError)              results that cannot be written
    └── MissingDependencyError (ImportError)   an optional package that this job needs

Each class is also the built-in error a caller would expect, so ``except ValueError`` works without
knowing Vedette. The text is one line; ``hint`` says what to do about it.
"""

from __future__ import annotations


class VedetteError(Exception):
    """Base of all errors here. ``str(error)`` is one line; ``hint`` is a second one, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InputError(VedetteError, ValueError):
    """A value given by the caller is wrong: names the argument, its bound and the value."""


class ConfigError(InputError):
    """A configuration is wrong: names the file, the key, the value and the nearest known key."""


class DataError(InputError):
    """A manifest, label file or data set cannot be used as asked."""


class MediaError(VedetteError, OSError):
    """A recording, a device or a stream cannot be read."""


class NoMediumError(MediaError):
    """A recording opens but holds neither sound nor picture that can be decoded."""


class BundleError(VedetteError, RuntimeError):
    """A model bundle is missing, damaged, or does not fit what its card says."""


class ParityError(BundleError):
    """An exported model does not give what the network it came from gives."""


class OutputError(VedetteError, OSError):
    """Results cannot be written where they were asked for."""


class MissingDependencyError(VedetteError, ImportError):
    """An optional package is needed for this job; the hint says how to get it."""
