#!/usr/bin/env python3
"""Write constraints.txt anew: the newest versions that fit together, on each Python named.

    scripts/renew_constraints.py python3.11 python3.12 python3.13

Name the oldest Python first. Nothing is installed; pip only resolves, against the index it is set up with.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_FOR_INSTALLING = {"setuptools"}
"""Left to each Python: torch asks for a range of it from 3.12 on, and it computes nothing."""

HEAD = """\
# The exact versions that `make demo` and `make test` install, for every set; used with `pip install -c`.
# It names no index: pip takes whatever index it is configured with. A line installs nothing by itself.
# Where one version serves every Python it is pinned for all, so that all compute the same numbers.
# Written by `scripts/renew_constraints.py`; after a renewal, `make test`.
"""


def requirements() -> list[str]:
    """Everything that pyproject.toml asks for, of every set."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [
        *project["dependencies"],
        *(line for set_ in project["optional-dependencies"].values() for line in set_),
    ]


def resolve(python: str, pins: dict[str, str], folder: Path) -> tuple[str, dict[str, str]]:
    """The version of this Python, as "3.12", and name -> version of all that would be installed."""
    venv = folder / Path(python).name
    if not venv.exists():
        subprocess.run([python, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--upgrade", "pip"]
        subprocess.run(pip, check=True)
    constraints, report = folder / "pins.txt", folder / "report.json"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    pip = [
        str(venv / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--dry-run",
        "--only-binary=:all:",
    ]
    subprocess.run([*pip, "--report", str(report), "-c", str(constraints), *requirements()], check=True)
    answer = json.loads(report.read_text())
    found = {
        re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower(): item["metadata"]["version"]
        for item in answer["install"]
    }
    return ".".join(answer["environment"]["python_full_version"].split(".")[:2]), found


def lines(found: dict[str, dict[str, str]]) -> list[str]:
    """One line a package; two with markers where the oldest Python has to differ from the later ones."""
    oldest, *later = found
    written = []
    for name in sorted({name for versions in found.values() for name in versions} - NOT_FOR_INSTALLING):
        versions = {found[python][name] for python in found if name in found[python]}
        if len(versions) == 1:
            written.append(f"{name}=={versions.pop()}")
            continue
        (newer,) = {found[python][name] for python in later}  # else: needs a person
        written.append(f'{name}=={found[oldest][name]} ; python_version < "{later[0]}"')
        written.append(f'{name}=={newer} ; python_version >= "{later[0]}"')
    return written


def main(pythons: list[str]) -> None:
    """Resolve on the oldest Python, then on the others with its versions held."""
    if not pythons:
        raise SystemExit(__doc__)
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        held: dict[str, str] = {}
        for python in pythons:
            version, versions = resolve(python, held, Path(folder))
            found[version] = versions
            held = {**versions, **held}
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(lines(found)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
