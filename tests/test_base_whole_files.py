"""Files that are whole or absent, whatever stops the writer."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import IO

import pytest

from vedette_base.errors import OutputError
from vedette_base.whole_files import need_room, write_whole, write_whole_text


def test_what_is_written_is_there_and_nothing_beside_it(tmp_path: Path) -> None:
    write_whole_text(tmp_path / "a.json", "one")
    write_whole_text(tmp_path / "a.json", "zwölf")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "zwölf"
    assert os.listdir(tmp_path) == ["a.json"]


def full(file: IO[bytes]) -> None:
    file.write(b"half of")
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise RuntimeError("unexpected position\nin a stack of C++") from error  # as torch.save tells it


def test_a_full_disk_is_one_line_and_leaves_the_file_before(tmp_path: Path) -> None:
    write_whole_text(tmp_path / "last.ckpt", "whole")
    with pytest.raises(
        OutputError, match=r"last\.ckpt: cannot be written: No space left on device$"
    ) as caught:
        write_whole(tmp_path / "last.ckpt", full)
    assert "make room" in caught.value.hint
    assert (tmp_path / "last.ckpt").read_text() == "whole"
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none/a\.json"):
        write_whole_text(tmp_path / "none" / "a.json", "one")


def test_two_of_each_file_must_fit_less_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "last.ckpt").write_bytes(bytes(400))
    usage = shutil.disk_usage(tmp_path)
    for free, fits in ((1800, True), (1799, False)):
        given = usage._replace(free=free)
        monkeypatch.setattr("vedette_base.whole_files.shutil.disk_usage", lambda path, given=given: given)
        sizes = {"last.ckpt": 1000, "best.ckpt": 100}
        if fits:
            need_room(tmp_path, sizes)
        else:
            with pytest.raises(OutputError, match=r"checkpoints need \d+ MB and \d+ MB are free"):
                need_room(tmp_path, sizes)
