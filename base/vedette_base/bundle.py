"""A model bundle: a folder that explains itself.

``card.json`` says what the model hears or sees, how its input is made, what its outputs mean and how good it
is; ``model.xml`` and ``model.bin`` (OpenVINO IR) are the only copy of the weights. The card names the SHA-256
of every file; loading refuses a folder in which one does not fit. Nothing here is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vedette_base.calibration import CalibrationMap
from vedette_base.errors import BundleError, InputError, OutputError

CARD, MODEL, WEIGHTS = "card.json", "model.xml", "model.bin"
Precision = Literal["int8", "bf16", "fp16", "fp32"]


class Second(BaseModel):
    """A second opinion: another network on the same input, whose outputs are blended with the first's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(pattern=r"^[\w-]+\.xml$")
    """Its IR, a file of the bundle; the weights lie beside it (``.bin``)."""
    architecture: str
    precision: Precision
    shares: dict[str, float]
    """For each label the weight, 0..1, of this network's output in the blend; the first has the rest."""
    parity: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)

    @property
    def weights(self) -> str:
        """File name of its weights."""
        return self.model.removesuffix(".xml") + ".bin"


class Card(BaseModel):
    """What a bundle says of itself. Unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    task: Literal["audio", "vision"]
    version: str
    architecture: str
    """What the network factory builds: a timm or Ultralytics name."""
    labels: tuple[str, ...] = Field(min_length=1)
    """Classes in the order of the network's outputs."""
    input: dict[str, Any] = Field(default_factory=dict)
    """Preprocessing; each task has its own keys."""
    precision: Precision = "fp32"
    thresholds: dict[str, float] = Field(default_factory=dict)
    """Calibrated probability from which a class counts."""
    calibration: dict[str, CalibrationMap] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    parity: dict[str, Any] = Field(default_factory=dict)
    """How closely the export follows its network, with one stored input to check it by (``export.probe``)."""
    training: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    licence: str
    files: dict[str, str] = Field(default_factory=dict)
    """File name to SHA-256."""
    second: Second | None = None
    """A second opinion, if there is one; ``calibration`` and ``thresholds`` are those of the blend."""

    @model_validator(mode="after")
    def _names_fit(self) -> Card:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must differ")
        for field in ("thresholds", "calibration"):
            if stray := sorted(set(getattr(self, field)) - set(self.labels)):
                raise ValueError(f"{field} names {', '.join(stray)}, which is not among the labels")
        if self.second is not None:
            if set(self.second.shares) != set(self.labels):
                raise ValueError("second.shares must name each label")
            if not all(0 <= share <= 1 for share in self.second.shares.values()):
                raise ValueError("second.shares must be within 0..1")
        if odd := [name for name in self.files if Path(name).name != name or name in ("", ".", "..", CARD)]:
            raise ValueError(f"files must be plain names, got {odd[0]!r}")
        return self


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle on disk."""

    folder: Path
    card: Card
    file: str = MODEL

    @property
    def model(self) -> Path:
        """The network, OpenVINO IR; its weights lie beside it."""
        return self.folder / self.file

    @property
    def second(self) -> Bundle | None:
        """The network of the second opinion, as a bundle in the same folder; None without."""
        second = self.card.second
        if second is None:
            return None
        named = {"architecture": second.architecture, "precision": second.precision, "second": None}
        return Bundle(self.folder, self.card.model_copy(update=named), second.model)

    @property
    def identity(self) -> str:
        """Name, version and the start of the weights' hash: goes into reports and event ids."""
        digest, second = self.card.files[WEIGHTS], self.card.second
        if second is not None:
            digest = hashlib.sha256((digest + self.card.files[second.weights]).encode()).hexdigest()
        return f"{self.card.name} {self.card.version} ({digest[:12]})"


def resource(name: str) -> Path:
    """A shipped file or folder: ``configs/audio.yaml``, ``models``, ``models/audio``.

    Looked for in the installed package first, then in the checkout.

    Raises:
        InputError: there is none of that name.
    """
    beside = Path(__file__).resolve().parent.parent / "vedette" / name
    if beside.exists():
        return beside
    root = Path(__file__).resolve().parents[2]
    inside = root / ("data/" + name if name.split("/")[0] in ("models", "demo") else name)
    if (root / "pyproject.toml").is_file() and inside.exists():
        return inside
    raise InputError(f"Vedette ships no {name!r}")


def shipped_bundles() -> tuple[str, ...]:
    """Names of the bundles that come with Vedette, sorted."""
    try:
        folder = resource("models")
    except InputError:
        return ()
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{CARD}")))


def load_bundle(name_or_folder: str | Path) -> Bundle:
    """A bundle by the name it ships under, or by its folder (write ``./audio`` for a folder of such a name).

    Raises:
        BundleError: there is none, its card cannot be read or has unknown fields, or a file does not fit
            the hash that the card names.
    """
    folder = _find(name_or_folder)
    card = _read_card(folder)
    second = (card.second.model, card.second.weights) if card.second else ()
    for name in (MODEL, WEIGHTS, *second):
        if name not in card.files:
            raise BundleError(f"{folder / CARD} names no {name}", hint=_HINT)
    for name, expected in card.files.items():
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise BundleError(
                f"{folder / name} cannot be read: {error.strerror or error}", hint=_HINT
            ) from error
        if found != expected:
            raise BundleError(
                f"{folder / name} does not match its card (sha256 {found[:12]}, card says {expected[:12]})",
                hint=_HINT,
            )
    return Bundle(folder, card)


def write_bundle(folder: str | Path, card: Card, files: Mapping[str, Path | bytes]) -> Bundle:
    """Write a bundle in one step: it is there whole or not at all. A bundle already there is replaced.

    Args:
        folder: where the bundle is to be.
        card: its card; ``files`` is filled in here.
        files: content or path of each file by name, ``model.xml`` and ``model.bin`` among them.

    Raises:
        OutputError: the folder cannot be written, or holds something that is no bundle.
        BundleError: a file that a bundle needs is not given.
    """
    folder = Path(folder)
    if missing := [name for name in (MODEL, WEIGHTS) if name not in files]:
        raise BundleError(f"a bundle needs {missing[0]}, got {', '.join(sorted(files)) or 'no files'}")
    if folder.exists() and not (folder / CARD).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists and is no model bundle", hint="choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            card = _fill(fresh, card, files)
            _swap(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return Bundle(folder, card)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_HINT = "copy the bundle again, or export it again with 'vedette export'"


def _find(name_or_folder: str | Path) -> Path:
    text = str(name_or_folder)
    if text in shipped_bundles():
        return resource(f"models/{text}")
    folder = Path(name_or_folder)
    if (folder / CARD).is_file():
        return folder
    if folder.is_dir():
        raise BundleError(f"{folder} holds no {CARD}: it is no model bundle", hint=_known())
    raise BundleError(f"no model bundle {text!r}", hint=_known())


def _known() -> str:
    names = shipped_bundles()
    return f"shipped bundles: {', '.join(names)}" if names else "no bundle is shipped with this copy"


def _read_card(folder: Path) -> Card:
    path = folder / CARD
    try:
        return Card.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}", hint=_HINT) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise BundleError(
                f"{path}: unknown field {where!r}",
                hint="it may be of a newer Vedette: update, or export again",
            ) from error
        reason = first["msg"].removeprefix("Value error, ")
        raise BundleError(f"{path}: {where + ': ' if where else ''}{reason}", hint=_HINT) from error


def _fill(folder: Path, card: Card, files: Mapping[str, Path | bytes]) -> Card:
    """Put all files and the card into ``folder``; the card comes back with their hashes."""
    hashes = {}
    for name, content in files.items():
        target = folder / name
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)
        hashes[name] = sha256_of(target)
    card = Card.model_validate(card.model_dump() | {"files": hashes})
    text = json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")
    folder.chmod(0o755)  # mkdtemp makes it private
    return card


def _swap(fresh: Path, folder: Path) -> None:
    """Move ``fresh`` to ``folder``; a bundle already there goes only when the new one is complete."""
    if not folder.exists():
        fresh.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
    try:
        folder.rename(old / "bundle")
        fresh.rename(folder)
    finally:
        shutil.rmtree(old, ignore_errors=True)
