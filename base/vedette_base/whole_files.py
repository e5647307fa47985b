"""Files that are whole or absent, whatever stops the writer: a kill, a full disk. Trainings keep theirs so.

A file is written beside its place and moved there when it is complete, so the one before survives.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from vedette_base.errors import OutputError


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write ``path`` by way of ``path.part``.

    Args:
        path: replaced when what is new has reached the disk.
        write: given the open file; ``torch.save`` may be what it calls.

    Raises:
        OutputError: it cannot be written; what was at ``path`` is left as it was.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except (OSError, RuntimeError) as error:  # torch.save buries the former in the latter
        part.unlink(missing_ok=True)  # gives a full disk its space back
        raise OutputError(
            f"{path}: cannot be written: {_reason(error)}",
            hint="the checkpoint before is whole: make room and start the same command again",
        ) from error


def write_whole_text(path: Path, text: str) -> None:
    """``write_whole`` of a text."""
    write_whole(path, lambda file: file.write(text.encode()))


def need_room(folder: Path, sizes: Mapping[str, int]) -> None:
    """Ask for the space before hours of work and not after them.

    Args:
        folder: that exists.
        sizes: bytes of each file to be kept there, by name. While one is renewed there are two of it.

    Raises:
        OutputError: there is not as much room.
    """
    there = sum((folder / name).stat().st_size for name in sizes if (folder / name).is_file())
    need, free = 2 * sum(sizes.values()) - there, shutil.disk_usage(folder).free
    if need > free:
        raise OutputError(
            f"{folder}: checkpoints need {need / 1e6:.0f} MB and {free / 1e6:.0f} MB are free",
            hint="make room, or name another folder with --run",
        )


def _reason(error: BaseException) -> str:
    """What the system said, at the bottom of a chain of errors."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__context__
    return str(error).splitlines()[0]
