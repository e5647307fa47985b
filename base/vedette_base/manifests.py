"""What manifests of sounds and of pictures share: names of files, refusing broken ones, and how to write."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vedette_base.errors import DataError, OutputError


def below(path: Path, folder: Path) -> str:
    """``path`` as a manifest in ``folder`` names it, with forward slashes."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def refuse_twice(paths: Sequence[str], manifests: Sequence[Path]) -> None:
    """Raise DataError where several manifests, or one, list a file more than once."""
    if len(set(paths)) < len(paths):
        raise DataError(f"{', '.join(map(str, manifests))}: some files are listed twice")


def refuse_broken(broken: Sequence[tuple[str, str]], of: int, skip_broken: bool, *, what: str) -> None:
    """Raise DataError with the first reasons, unless leaving out was asked for.

    Args:
        broken: path and fault of each file that cannot be used.
        of: how many files there were; ``what`` they are, in the plural.
    """
    if broken and not skip_broken:
        first = "; ".join(f"{path}: {fault}" for path, fault in broken[:3])
        raise DataError(
            f"{len(broken)} of {of} {what} cannot be used: {first}" + (" ..." if len(broken) > 3 else ""),
            hint="mend them, or leave them out with --skip-broken",
        )


def write_text(path: Path, text: str) -> None:
    """Write a file in one go, and the folders above it: nobody reads half of it.

    Names of files that are not UTF-8 become the bytes that they are. Raises OutputError.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """``write_text`` of a CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
