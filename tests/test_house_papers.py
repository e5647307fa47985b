"""What is written about Vedette is true of the checkout: commands, links, versions, limits, addresses."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import typer

LONGEST_FILE = 400
FORBIDDEN = {  # spelt in two pieces, so that this file does not find itself
    "a package index": r"pypi"
    r"\.org|python"
    r"hosted\.org|download\.py"
    r"torch\.org|npmjs"
    r"\.org|deb\.deb"
    r"ian\.org",
    "a path of one machine": r"(?<![\w.}$/])/(?:wo" r"rk/|ro" r"ot/|ho" r"me/\w|opt/py" r"pi|Us" r"ers/\w)",
}


@pytest.fixture(scope="module")
def tracked(root: Path) -> list[Path]:
    """Every file that is, or is about to be, under version control."""
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("needs git")
    if done.returncode != 0:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return [file for name in done.stdout.split("\0") if name and (file := root / name).is_file()]


def text_of(file: Path) -> str:
    """The file's text; empty for a binary file."""
    raw = file.read_bytes()
    return "" if b"\0" in raw[:8192] else raw.decode("utf-8", errors="replace")


def project(root: Path) -> dict[str, object]:
    return dict(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def leaf_commands(command: object, name: str) -> Iterator[str]:
    children = getattr(command, "commands", None)
    if not children:
        yield name
        return
    for child, sub in children.items():
        if not sub.hidden:
            yield from leaf_commands(sub, f"{name} {child}")


def test_every_command_is_in_the_readme(root: Path) -> None:
    from vedette.cli import app

    readme = (root / "README.md").read_text(encoding="utf-8")
    commands = list(leaf_commands(typer.main.get_command(app), "vedette"))
    assert len(commands) > 3
    assert [command for command in commands if command not in readme] == []


def test_both_make_commands_are_in_the_readme(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme


def test_links_between_papers_lead_somewhere(tracked: list[Path]) -> None:
    wrong = [
        f"{file.name}: {target}"
        for file in tracked
        if file.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text_of(file))
        if not re.match(r"[a-z]+:", target) and not (file.parent / target).exists()
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_no_tracked_file_names(tracked: list[Path], what: str) -> None:
    """Whoever builds this uses their own index and their own folders."""
    pattern = re.compile(FORBIDDEN[what])
    wrong = [f"{file.name}: {found.group(0)}" for file in tracked if (found := pattern.search(text_of(file)))]
    assert not wrong, "\n".join(wrong)


def test_no_file_of_code_is_too_long_to_read(tracked: list[Path]) -> None:
    lengths = {file.name: text_of(file).count("\n") for file in tracked if file.suffix == ".py"}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_agents_md_stays_short(root: Path) -> None:
    assert len((root / "AGENTS.md").read_text(encoding="utf-8").splitlines()) < 30


def test_the_licence_is_the_agpl_as_the_project_says(root: Path) -> None:
    text = (root / "LICENSE").read_text(encoding="utf-8")
    assert "GNU AFFERO GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 19 November 2007" in text
    assert project(root)["license"] == "AGPL-3.0-or-later"
    assert "AGPL" in (root / "README.md").read_text(encoding="utf-8")


def test_the_version_is_the_same_everywhere(root: Path) -> None:
    import vedette

    assert vedette.__version__ == project(root)["version"]


def test_constraints_pin_every_dependency_and_name_no_index(root: Path) -> None:
    lines = [
        line
        for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert [line for line in lines if not re.match(r"[a-z0-9-]+==[\w.]+( ; python_version .*)?$", line)] == []
    pinned = {line.split("==")[0] for line in lines}
    metadata = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*metadata["dependencies"], *chain.from_iterable(metadata["optional-dependencies"].values())]
    names = {re.split(r"[^\w-]", line)[0].lower() for line in wanted}
    assert names - pinned == set()
