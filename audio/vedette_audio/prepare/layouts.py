"""The layouts that sources come in: each reader turns a folder into entries and guesses nothing."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vedette_audio.prepare.cards import DatasetCard, Layout, SoundClass
from vedette_base.errors import DataError

SOUND_FILES = frozenset((".wav", ".ogg", ".flac", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".opus"))
_MANY = 5  # names listed in an error


@dataclass(frozen=True, slots=True)
class Entry:
    """One clip of a source.

    Attributes:
        path: below the source's root, with forward slashes.
        label: ``gunshot`` or ``other``; ``fine``: firearm type or sound class.
        group: the publisher's recording; empty where it names none.
        onsets: seconds of known shots; empty where not given.
        source: name of the card; split, flag: from an earlier manifest, else empty.
        rate, duration: native, from an earlier manifest, where the files themselves were converted; else 0.
    """

    path: str
    label: str
    fine: str
    group: str = ""
    onsets: tuple[float, ...] = ()
    source: str = ""
    split: str = ""
    flag: str = ""
    rate: int = 0
    task: str = ""

    @property
    def order(self) -> tuple[str, tuple[int, ...], str]:
        """Where the clip comes in its folder: by the numbers in its name, not by its letters."""
        path = Path(self.path)
        return str(path.parent), tuple(int(n) for n in re.findall(r"\d+", path.stem)), path.stem


class _Classes:
    """The card's class list; spelling differences of case, blank and underscore do not matter."""

    def __init__(self, card: DatasetCard) -> None:
        self._by_key = {_key(name): found for name, found in card.classes.items()}
        self._left_out = {_key(name) for name in card.left_out}
        self._names = (*card.classes, *card.left_out)

    def find(self, name: str, where: str) -> SoundClass | None:
        """The class of that name; None where the card leaves it out. Raises DataError for an unknown one."""
        key = _key(name)
        if key in self._left_out:
            return None
        if key not in self._by_key:
            near = get_close_matches(name, self._names, 1, 0.4)
            raise DataError(
                f"{where}: label {name!r} is not in the card's class list"
                + (f", nearest {near[0]!r}" if near else ""),
                hint="add it to the card's classes, or to left_out",
            )
        return self._by_key[key]


def read_source(card: DatasetCard, root: Path) -> tuple[Entry, ...]:
    """All clips of a source in the order of their names.

    Raises:
        DataError: no such folder, a missing table, column or file, a label outside the class list.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder", hint=f"get it from {card.where}")
    entries = [entry for entry in _READERS[card.layout](card, root) if entry]
    if not entries:
        raise DataError(f"{root}: no clips in the layout {card.layout!r}", hint=f"get it from {card.where}")
    missing = [entry.path for entry in entries if not (root / entry.path).is_file()]
    if missing:
        raise DataError(f"{root}: {missing_words(missing, len(entries))}", hint="is --root the right folder?")
    return tuple(sorted(entries, key=lambda entry: (*entry.order, entry.path)))


def missing_words(missing: list[str], of: int) -> str:
    """How many files are not there, and the first of them."""
    return f"{len(missing)} of {of} files are missing: {', '.join(missing[:_MANY])}" + (
        " ..." if len(missing) > _MANY else ""
    )


def _key(name: str) -> str:
    return re.sub(r"[\s_]+", "_", name.strip().lower())


def _files(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in SOUND_FILES and path.is_file() and not path.name.startswith("."):
            yield path.relative_to(root).as_posix()


def _rows(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Lines of a table, each with its place for error messages."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            absent = [name for name in needed if name not in (reader.fieldnames or ())]
            if absent:
                raise DataError(f"{path}: no column {', '.join(absent)}")
            for row in reader:
                yield (
                    f"{path.name} line {reader.line_num}",
                    {k: v or "" for k, v in row.items() if isinstance(k, str)},
                )
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _entry(card: DatasetCard, path: str, found: SoundClass | None, group: str = "") -> Entry | None:
    return Entry(path, found.label, found.fine, group, source=card.name) if found else None


def _folders(card: DatasetCard, root: Path) -> Iterator[Entry | None]:
    """``<class>/<clip>``, as deep as you like; the nearest folder names the class."""
    classes = _Classes(card)
    for path in _files(root):
        yield _entry(card, path, classes.find(Path(path).parent.name, path))


def _urbansound8k(card: DatasetCard, root: Path) -> Iterator[Entry | None]:
    """``metadata/UrbanSound8K.csv`` and ``audio/fold*/``; without it, ``<class>/<fsID>-<class>-...``."""
    classes = _Classes(card)
    table = root / "metadata" / "UrbanSound8K.csv"
    if table.is_file():
        for where, row in _rows(table, ("slice_file_name", "fsID", "fold", "class")):
            path = f"audio/fold{row['fold']}/{row['slice_file_name']}"
            yield _entry(card, path, classes.find(row["class"], where), "fs" + row["fsID"])
        return
    for path in _files(root):
        found = re.match(r"(\d+)-\d+-\d+-\d+", Path(path).stem)
        if not found:
            raise DataError(f"{root / path}: not named <fsID>-<class>-<occurrence>-<slice>")
        yield _entry(card, path, classes.find(Path(path).parent.name, path), "fs" + found[1])


def _sesa(card: DatasetCard, root: Path) -> Iterator[Entry | None]:
    """``train/`` and ``test/`` with ``<class>_<number>``; the publisher names no recordings."""
    classes = _Classes(card)
    for path in _files(root):
        found = re.fullmatch(r"([a-z]+)_\d+", Path(path).stem)
        if not found:
            raise DataError(f"{root / path}: not named <class>_<number>")
        yield _entry(card, path, classes.find(found[1], path))


def _esc50(card: DatasetCard, root: Path) -> Iterator[Entry | None]:
    """``meta/esc50.csv`` and ``audio/``, or folders of ``<fold>-<freesound id>-<take>`` (ESC-10)."""
    classes = _Classes(card)
    table = root / "meta" / "esc50.csv"
    if table.is_file():
        for where, row in _rows(table, ("filename", "category", "src_file")):
            yield _entry(
                card, f"audio/{row['filename']}", classes.find(row["category"], where), "fs" + row["src_file"]
            )
        return
    for path in _files(root):
        found = re.match(r"\d-(\d+)-[A-Z]", Path(path).stem)
        if not found:
            raise DataError(f"{root / path}: not named <fold>-<freesound id>-<take>")
        name = re.sub(r"^\d+ - ", "", Path(path).parent.name)
        yield _entry(card, path, classes.find(name, path), "fs" + found[1])


def _table(card: DatasetCard, root: Path) -> Iterator[Entry | None]:
    """A table with ``path``, ``label`` and, if wanted, ``group`` and ``onsets`` (seconds, blanks between)."""
    classes, name = (
        _Classes(card),
        {key: card.columns.get(key, key) for key in ("path", "label", "group", "onsets")},
    )
    needed = (name["path"], name["label"], *((name["group"],) if card.recordings == "named" else ()))
    for where, row in _rows(root / (card.table or "clips.csv"), needed):
        found = classes.find(row[name["label"]], where)
        if found:
            onsets = _seconds(row.get(name["onsets"], ""), where)
            yield Entry(
                row[name["path"]], found.label, found.fine, row.get(name["group"], ""), onsets, card.name
            )


def _train_table(card: DatasetCard, root: Path) -> Iterator[Entry | None]:
    """Hydrogen Torch: a column of file names and either one column ``label`` or one of 0 and 1 per class."""
    classes = _Classes(card)
    name = {key: card.columns.get(key, key) for key in ("audio", "label", "group", "folder")}
    table = root / (card.table or "train.csv")
    for where, row in _rows(table, (name["audio"],)):
        label = row.get(name["label"], "") or _hot(row, card, where)
        path = row[name["audio"]]
        if not (root / path).is_file() and (root / name["folder"] / path).is_file():
            path = f"{name['folder']}/{path}"
        yield _entry(card, path, classes.find(label, where), row.get(name["group"], ""))


def _hot(row: Mapping[str, str], card: DatasetCard, where: str) -> str:
    """The class whose column is 1; of a firearm and ``gunshot`` the firearm."""
    on = [name for name in row if name in card.classes and row[name].strip() in ("1", "1.0", "True", "true")]
    fine = [name for name in on if name != "gunshot"] or on
    if len(fine) != 1:
        raise DataError(f"{where}: needs one class, has {len(fine)}: {', '.join(fine) or 'none'}")
    return fine[0]


def _seconds(text: str, where: str) -> tuple[float, ...]:
    try:
        return tuple(sorted(float(part) for part in text.replace(";", " ").split()))
    except ValueError as error:
        raise DataError(f"{where}: onsets must be seconds with blanks between them, got {text!r}") from error


_READERS: dict[Layout, Callable[[DatasetCard, Path], Iterator[Entry | None]]] = {
    "folders": _folders,
    "urbansound8k": _urbansound8k,
    "sesa": _sesa,
    "esc50": _esc50,
    "csv": _table,
    "train_table": _train_table,
}
