"""`vedette data`: from somebody's folder of sounds or pictures to a manifest that can be trusted.

A card or a manifest says itself whether it is of sounds (``.csv``) or of pictures (``.jsonl``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette import cli_data_pictures as pictures
from vedette.counting import counting
from vedette_base.errors import ConfigError, InputError, OutputError

if TYPE_CHECKING:
    from vedette_audio.prepare.cards import DatasetCard
    from vedette_audio.prepare.preparation import Prepared

data_app = typer.Typer(
    help="Turn folders of sound or pictures into a manifest without leaks.", no_args_is_help=True
)

Manifest = Annotated[Path, typer.Argument(help="manifest.csv or manifest.jsonl; its files lie beside it.")]
Manifests = Annotated[list[Path], typer.Argument(help="manifest.csv files, or manifest.jsonl files.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Manifest to write: manifest.csv, of pictures manifest.jsonl."),
]
Skip = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out files that cannot be used and name them.")
]


@data_app.command("cards")
def cards() -> None:
    """List the dataset cards that come with Vedette."""
    from vedette_audio.prepare.cards import load_card, shipped_cards
    from vedette_vision.prepare.cards import load_picture_card, shipped_picture_cards

    sounds = [("sound", name, load_card(name)) for name in shipped_cards()]
    for kind, name, card in sounds + [
        ("pictures", name, load_picture_card(name)) for name in shipped_picture_cards()
    ]:
        typer.echo(f"{kind:8} {name:20} {card.title}; {card.where}; {card.licence}")


@data_app.command("prepare")
def prepare(
    card: Annotated[str, typer.Argument(help="Name of a dataset card, or a card's YAML file.")],
    root: Annotated[Path, typer.Option("--root", help="Folder in which the source lies.")],
    out: Out = None,
    skip_broken: Skip = False,
) -> None:
    """Read a source, find duplicates, split by recording or scene, and write a manifest."""
    from vedette_audio.prepare.preparation import prepare as prepare_source
    from vedette_vision.prepare.cards import is_picture_card

    if is_picture_card(card):
        pictures.prepare_pictures(card, root, out or Path("manifest.jsonl"), skip_broken)
        return
    found = _sound_card(card)
    with counting("listening") as tell:
        prepared = prepare_source(found, root, skip_broken=skip_broken, tell=tell)
    say(prepared, out or Path("manifest.csv"))


@data_app.command("join")
def join(manifests: Manifests, out: Out = None, skip_broken: Skip = False) -> None:
    """Make one manifest of several; recordings or scenes that sources share come to one side of the split."""
    from vedette_audio.prepare.audit import audit

    kinds = {_of_pictures(manifest) for manifest in manifests}
    if len(kinds) > 1:
        raise InputError("manifests of sound (.csv) and of pictures (.jsonl) cannot be joined")
    if kinds == {True}:
        pictures.join_pictures(manifests, out or Path("manifest.jsonl"), skip_broken)
        return
    out = out or Path("manifest.csv")
    with counting("listening") as tell:
        found = audit(manifests, out.parent, skip_broken=skip_broken, tell=tell)
    if found.crossing:
        typer.echo(f"{len(found.crossing)} pairs of twins lay on both sides of the split; no more")
    say(found.prepared, out)


@data_app.command("check")
def check(
    manifest: Manifest,
    skip_broken: Skip = False,
    model: Annotated[
        str, typer.Option(help="Of sounds: also name clips that this model contradicts (bundle).")
    ] = "",
) -> None:
    """Go through a manifest's files and say what is wrong; exits with 1 when duplicates cross the split."""
    from vedette_audio.prepare.audit import audit
    from vedette_audio.prepare.findings import words

    if _of_pictures(manifest):
        if model:
            raise InputError("--model hears sounds; of pictures, see compare-labels after autolabel")
        pictures.check_pictures(manifest, skip_broken)
        return
    with counting("listening") as tell:
        found = audit([manifest], manifest.parent, skip_broken=skip_broken, tell=tell)
    for line in words(found.prepared):
        typer.echo(line)
    entries = found.prepared.entries
    for twin in found.crossing:
        typer.echo(
            f"on both sides of the split: {entries[twin.first].path} and {entries[twin.second].path} "
            f"({twin.kind}, {twin.similarity:.2f} over {twin.shared:.1f} s)"
        )
    if model:
        _say_contradicted(found.prepared, model)
    if found.crossing:
        raise typer.Exit(1)


@data_app.command("summary")
def summary(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page.")] = Path("vedette-out"),
) -> None:
    """Draw classes, split, sizes or lengths, and examples: one page that opens offline."""
    from vedette.report.datasheet import make_datasheet
    from vedette_audio.prepare.summary import example_sound, summarise

    if _of_pictures(manifest):
        page = pictures.summarise_pictures(manifest)
    else:
        page = make_datasheet(str(manifest), summarise(manifest), lambda path: example_sound(manifest, path))
    target = out / "summary.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8", errors="backslashreplace")  # names need not be UTF-8
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    typer.echo(str(target))


def say(prepared: Prepared, out: Path) -> None:
    """Write the manifest with its tables; the findings go to stdout, the file names to stderr."""
    from vedette_audio.prepare.findings import words, write_manifest

    files = write_manifest(prepared, out)
    for line in words(prepared):
        typer.echo(line)
    typer.echo("wrote " + ", ".join(map(str, files)), err=True)


def _say_contradicted(prepared: Prepared, model: str) -> None:
    """Name the clips whose label a sound model contradicts, surest first."""
    from vedette_audio.classify import GunshotClassifier
    from vedette_audio.dataset import decode
    from vedette_audio.prepare.contradicted import find_contradicted
    from vedette_base.media import SAMPLE_RATE

    classifier = GunshotClassifier.load(model)
    with counting("hearing") as tell:
        found = find_contradicted(
            prepared.entries,
            prepared.root,
            lambda path: classifier.classify(decode(path), SAMPLE_RATE).gunshot,
            tell,
        )
    typer.echo(f"{len(found)} clips contradict {model}: listen before trusting their label")
    for suspect in found:
        entry = prepared.entries[suspect.clip]
        typer.echo(f"{suspect.flag}: {entry.path}: {suspect.evidence}")


def _sound_card(name: str) -> DatasetCard:
    from vedette_audio.prepare.cards import load_card, shipped_cards
    from vedette_base.cards import CARD_FILES
    from vedette_vision.prepare.cards import shipped_picture_cards

    if Path(name).suffix not in CARD_FILES and name not in shipped_cards():  # of either kind
        known = ", ".join(sorted((*shipped_cards(), *shipped_picture_cards())))
        raise ConfigError(f"no dataset card {name!r}", hint=f"cards: {known}; or give a card's YAML file")
    return load_card(name)


def _of_pictures(manifest: Path) -> bool:
    return manifest.suffix == ".jsonl"


data_app.command("convert")(pictures.convert)
data_app.command("autolabel")(pictures.autolabel)
data_app.command("hard-negatives")(pictures.hard_negatives)
data_app.command("compare-labels")(pictures.compare_labels)
