"""What the command says on stderr: one line each, whatever the names in it hold."""

from __future__ import annotations

import sys

from vedette.report.wording import one_line
from vedette_base.errors import VedetteError


def tell(line: str) -> None:
    """One line on stderr."""
    print(f"vedette: {one_line(line)}", file=sys.stderr)  # noqa: T201


def complain(error: VedetteError) -> None:
    """An error: one line and, where there is one, a hint."""
    tell(str(error))
    if error.hint:
        print(f"  hint: {one_line(error.hint)}", file=sys.stderr)  # noqa: T201
