"""`vedette data`: from somebody's folder of sounds to a manifest that can be trusted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vedette_base.errors import OutputError

if TYPE_CHECKING:
    from vedette_audio.prepare.preparation import Prepared, Tell

data_app = typer.Typer(help="Turn folders of sound into a manifest without leaks.", no_args_is_help=True)

Manifest = Annotated[Path, typer.Argument(help="manifest.csv; its files lie beside it.")]
Manifests = Annotated[list[Path], typer.Argument(help="manifest.csv files.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="Manifest to write.")]
Skip = Annotated[
    bool, typer.Option("--skip-broken", help="Leave out clips that cannot be used and name them.")
]


@data_app.command("cards")
def cards() -> None:
    """List the dataset cards that come with Vedette."""
    from vedette_audio.prepare.cards import load_card, shipped_cards

    for name in shipped_cards():
        card = load_card(name)
        typer.echo(f"{name:20} {card.title}; {card.where}; {card.licence}")


@data_app.command("prepare")
def prepare(
    card: Annotated[str, typer.Argument(help="Name of a dataset card, or a card's YAML file.")],
    root: Annotated[Path, typer.Option("--root", help="Folder in which the source lies.")],
    out: Out = Path("manifest.csv"),
    skip_broken: Skip = False,
) -> None:
    """Read a source, find twins and recordings, split by recording, and write a manifest."""
    from vedette_audio.prepare.cards import load_card
    from vedette_audio.prepare.preparation import prepare as prepare_source

    found = load_card(card)
    with counting() as tell:
        prepared = prepare_source(found, root, skip_broken=skip_broken, tell=tell)
    say(prepared, out)


@data_app.command("join")
def join(manifests: Manifests, out: Out = Path("manifest.csv"), skip_broken: Skip = False) -> None:
    """Make one manifest of several; recordings that sources share come to one side of the split."""
    from vedette_audio.prepare.audit import audit

    with counting() as tell:
        found = audit(manifests, out.parent, skip_broken=skip_broken, tell=tell)
    if found.crossing:
        typer.echo(f"{len(found.crossing)} pairs of twins lay on both sides of the split; no more")
    say(found.prepared, out)


@data_app.command("check")
def check(manifest: Manifest, skip_broken: Skip = False) -> None:
    """Listen to a manifest's clips and say what is wrong; exits with 1 when twins cross the split."""
    from vedette_audio.prepare.audit import audit
    from vedette_audio.prepare.findings import words

    with counting() as tell:
        found = audit([manifest], manifest.parent, skip_broken=skip_broken, tell=tell)
    for line in words(found.prepared):
        typer.echo(line)
    entries = found.prepared.entries
    for twin in found.crossing:
        typer.echo(
            f"on both sides of the split: {entries[twin.first].path} and {entries[twin.second].path} "
            f"({twin.kind}, {twin.similarity:.2f} over {twin.shared:.1f} s)"
        )
    if found.crossing:
        raise typer.Exit(1)


@data_app.command("summary")
def summary(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the page.")] = Path("vedette-out"),
) -> None:
    """Draw class counts, split, lengths, bandwidths and spectrograms: one page that opens offline."""
    from vedette.report.datasheet import make_datasheet
    from vedette_audio.prepare.summary import example_sound, summarise

    page = make_datasheet(str(manifest), summarise(manifest), lambda path: example_sound(manifest, path))
    target = out / "summary.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
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


@contextmanager
def counting() -> Iterator[Tell]:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("listening", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
