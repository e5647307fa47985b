"""`vedette detect` keeps what was given to it, and never waits, whatever it is told to write or to read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.commands import Command
from tests.test_cli_detect_bad_input import picture, white_spot
from vedette_vision.detector import WeaponDetector
from vedette_vision.prepare.header import pictures_in
from vedette_vision.prepare.look import look_at


@pytest.fixture(autouse=True)
def spots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WeaponDetector, "look", white_spot)
    monkeypatch.setattr(WeaponDetector, "look_twice", white_spot)
    monkeypatch.setattr(WeaponDetector, "probabilities", lambda self, look: look.scores)


def saved(path: Path) -> Path:
    Image.fromarray(picture()).save(path)
    return path


def test_a_drawn_copy_never_takes_the_place_of_another_picture_given(
    vedette: Command, tmp_path: Path
) -> None:
    saved(tmp_path / "a.bmp")
    before = saved(tmp_path / "a.jpg").read_bytes()
    result = vedette("detect", "a.bmp", "a.jpg", "--out", ".")
    assert result.code == 1
    assert result.said == ["a.jpg: is a picture that was given, which stays as it is"]
    assert (tmp_path / "a.jpg").read_bytes() == before
    assert len(result.out.splitlines()) == 2  # both were looked at all the same


def test_a_list_never_takes_the_place_of_a_picture(vedette: Command, tmp_path: Path) -> None:
    before = saved(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.jpg")
    for name in ("a.jpg", "link.csv"):
        result = vedette("detect", "a.jpg", "--csv", name)
        assert (result.code, len(result.said)) == (2, 1)
        assert (tmp_path / "a.jpg").read_bytes() == before


def test_copies_into_the_folder_looked_at_are_refused(vedette: Command, tmp_path: Path) -> None:
    saved(tmp_path / "a.jpg")
    result = vedette("detect", ".", "--out", ".")
    assert result.code == 1
    assert result.said == [".: drawn copies cannot go there too"]


def test_nobody_waits_for_a_pipe(vedette: Command, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    saved(tmp_path / "z.jpg")
    result = vedette("detect", ".")
    assert result.code == 1
    assert result.said == ["pipe.jpg: is a pipe or a device, not a file"]
    assert len(result.out.splitlines()) == 1


def test_a_link_that_leads_to_itself_is_one_short_line(vedette: Command, tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    result = vedette("detect", "loop.jpg")
    assert result.said == ["loop.jpg: cannot be opened: Too many levels of symbolic links"]


def test_pictures_that_are_not_looked_at_are_said(vedette: Command, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(picture(), 20 * i, 1)) for i in range(3)]
    for name in ("pages.tif", "moving.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        frames[0].save(tmp_path / f"one-{name}")
    result = vedette("detect", "moving.webp", "pages.tif", "one-moving.webp", "one-pages.tif")
    assert result.code == 1
    assert result.said == [
        "moving.webp: an animated WebP cannot be read",
        "pages.tif: holds 3 pictures: only the first was looked at",
    ]
    assert len(result.out.splitlines()) == 3
    assert look_at(tmp_path / "pages.tif").fault == "holds 3 pictures: take it apart first"
    assert look_at(tmp_path / "moving.webp").fault == "holds 3 pictures: take it apart first"
    assert look_at(tmp_path / "one-pages.tif").fault == ""
    assert pictures_in(b"II*\0\x08\0\0\0") == pictures_in(b"nothing") == 0  # cut off; neither


def test_half_a_drawn_copy_is_not_left_behind(
    vedette: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "a.jpg")

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = vedette("detect", "a.jpg", "--out", "drawn")
    assert result.code == 1
    assert result.said == ["drawn/a.jpg: cannot be written: No space left on device"]
    assert list((tmp_path / "drawn").iterdir()) == []
