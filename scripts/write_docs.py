#!/usr/bin/env python3
"""Write docs/cli.md and docs/api.md from the code: what `--help` says, and what docstrings say."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

import vedette
from vedette.cli import app

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE = "<!-- Written by `make docs`; change the code instead. -->\n"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command that a user can type, depth first."""
    yield path
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from commands(child, (*path, name))


def help_of(path: tuple[str, ...]) -> str:
    """What the command prints about itself, 100 columns wide and without colours."""
    environment = os.environ | {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}
    code = "from vedette.cli import main; import sys; sys.argv[0] = 'vedette'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *path, "--help"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def cli_page() -> str:
    """One section for each command."""
    parts = [f"# The `vedette` command\n\n{MADE}"]
    for path in commands(typer.main.get_command(app)):
        parts.append(f"## `{' '.join(('vedette', *path))}`\n\n```text\n{help_of(path)}\n```\n")
    return "\n".join(parts)


def call(name: str, value: Any) -> str:
    """How a public name is called, as a block of code; nothing for what is a table of attributes."""
    if isinstance(value, property) or not callable(value) or dataclasses.is_dataclass(value):
        return ""
    if isinstance(value, type) and issubclass(value, BaseException):
        return f"```python\nclass {name}({', '.join(base.__name__ for base in value.__bases__)})\n```\n\n"
    plain = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))
    if len(name) + len(plain) > 100:
        plain = re.sub(r", (?=\*|\w+:)", ",\n    ", plain).replace("(", "(\n    ", 1)
    return f"```python\n{name}{plain}\n```\n\n"


def entry(name: str, value: Any, depth: int) -> Iterator[str]:
    """One public name: how it is called and what its docstring says; for a class, its methods too."""
    explained = callable(value) or isinstance(value, property)
    described = inspect.getdoc(value) if explained else f"`{value!r}`"
    yield f"{'#' * depth} `{name}`\n\n{call(name.split('.')[-1], value)}{as_markdown(described or '')}\n"
    if isinstance(value, type) and not issubclass(value, BaseException):
        for method, member in vars(value).items():
            inner = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if not method.startswith("_") and (inspect.isfunction(inner) or isinstance(inner, property)):
                yield from entry(f"{name}.{method}", inner, depth + 1)


def as_markdown(docstring: str) -> str:
    """Sections such as ``Args:`` become lists; the rest stays as it is."""
    lines = []
    for line in docstring.replace("``", "`").splitlines():
        if re.match(r"    [\w, *]+: ", line):
            line = f"- {line.strip()}"
        elif line.startswith("    "):
            line = line.strip() if lines and lines[-1].startswith("**") else f"  {line.strip()}"
        elif re.fullmatch(r"[A-Z][a-z]+:", line):
            line = f"**{line[:-1]}**\n"
        lines.append(line)
    return "\n".join(lines)


def api_page() -> str:
    """One section for each name of ``vedette.__all__``."""
    parts = [f"# The Python API\n\n{MADE}"]
    for name in vedette.__all__:
        parts.extend(entry(f"vedette.{name}", getattr(vedette, name), 2))
    return "\n".join(parts)


def main() -> None:
    """Write both pages."""
    for file, text in (("cli.md", cli_page()), ("api.md", api_page())):
        (DOCS / file).write_text(text, encoding="utf-8")
        print(f"wrote docs/{file}")


if __name__ == "__main__":
    main()
