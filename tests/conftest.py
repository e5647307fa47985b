"""Fixtures that every test file shares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.commands import Command

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The real data beside the checkout; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "datasets"
    if not folder.is_dir():
        pytest.skip("needs ../shared/datasets, which is not part of a checkout")
    return folder


@pytest.fixture
def vedette(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """``vedette("analyze", "clip.mp4")`` runs the command in an empty folder, ``tmp_path``."""
    from tests.commands import Command  # not above: most tests need none of what it imports

    return Command(tmp_path, capfd, monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a small sound data set."""
    from tests.sounds import write_data

    return write_data(tmp_path_factory.mktemp("audio"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for its decoded sound."""
    return tmp_path_factory.mktemp("decoded")
