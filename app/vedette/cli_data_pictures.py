"""`vedette data` for pictures: prepare, join, check and summary of them, and what only pictures need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from vedette.cli_models import need_training
from vedette.counting import counting
from vedette.messages import tell as say_aside
from vedette_base.errors import InputError, OutputError

if TYPE_CHECKING:
    from vedette_vision.prepare.convert import Format as LabelFormat
    from vedette_vision.prepare.preparation import Prepared

Labels = Annotated[
    Path,
    typer.Argument(help="manifest.jsonl, COCO file, or folder of YOLO or VOC labels.", show_default=False),
]


class Format(StrEnum):
    """Label formats that pictures are written in."""

    yolo = "yolo"
    voc = "voc"
    coco = "coco"
    deepcam = "deepcam"


def prepare_pictures(card: str, root: Path, out: Path, skip_broken: bool) -> None:
    """Read a source of pictures, find duplicates and scenes, split by scene, and write a manifest."""
    from vedette_vision.prepare.cards import load_picture_card
    from vedette_vision.prepare.preparation import prepare

    with counting("looking") as tell:
        prepared = prepare(load_picture_card(card), root, skip_broken=skip_broken, tell=tell)
    _say(prepared, out)


def join_pictures(manifests: Sequence[Path], out: Path, skip_broken: bool) -> None:
    """Make one manifest of several; scenes that sources share come to one side of the split."""
    from vedette_vision.prepare.audit import audit

    with counting("looking") as tell:
        prepared = audit(manifests, out.parent, skip_broken=skip_broken, tell=tell)
    _say(prepared, out)


def check_pictures(manifest: Path, skip_broken: bool) -> None:
    """Look at a manifest's pictures and say what is wrong; exits with 1 when the split leaks."""
    from vedette_vision.prepare.audit import audit
    from vedette_vision.prepare.findings import words

    with counting("looking") as tell:
        prepared = audit([manifest], manifest.parent, skip_broken=skip_broken, tell=tell)
    for line in words(prepared):
        typer.echo(line)
    for one, two in prepared.crossing:
        typer.echo(f"on both sides of the split: {one} and {two}")
    if prepared.crossing or any(remark.flag == "both_sides" for remark in prepared.remarks):
        raise typer.Exit(1)


def summarise_pictures(manifest: Path) -> str:
    """The summary page of a picture manifest, as HTML."""
    from vedette.report.picturesheet import make_picturesheet
    from vedette_vision.prepare.summary import summarise, thumbnail

    return make_picturesheet(
        str(manifest), summarise(manifest), lambda path, longest: thumbnail(manifest.parent / path, longest)
    )


def convert(
    source: Annotated[
        Path, typer.Argument(help="manifest.jsonl, or a folder of YOLO, VOC, COCO or Deepcam.")
    ],
    to: Annotated[Format, typer.Option("--to", help="Format to write.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for pictures and labels.")],
    fine: Annotated[
        bool,
        typer.Option("--fine", help="Name boxes by their finer names instead of the classes above them."),
    ] = False,
) -> None:
    """Write labelled pictures in another format: YOLO, Pascal VOC, COCO, or the folders of the Deepcam set.

    The finer name of a box (wallet, shotgun) stays beneath its class: as an attribute in VOC and COCO, in
    finer_names.json beside YOLO's data.yaml.
    """
    from vedette_vision.prepare.convert import sheets_of, write_sheets

    if out.is_dir() and any(out.iterdir()):
        raise OutputError(f"{out}: is not empty", hint="give a new folder with --out")
    sheets, left_out = sheets_of(source, fine=fine)
    if to is Format.deepcam:
        from vedette_vision.prepare.deepcam_out import write_deepcam

        counts = write_deepcam(sheets, out)
        typer.echo(", ".join(f"{count} in {folder}" for folder, count in counts.items()))
        for path, reason in left_out:
            say_aside(f"left out: {path}: {reason}")
        return
    names = write_sheets(sheets, cast("LabelFormat", to.value), out)
    chips = sum(sheet.chip for sheet in sheets)
    sheets = tuple(sheet for sheet in sheets if not sheet.chip)
    boxes = sum(to is not Format.yolo or not box.vague for sheet in sheets for box in sheet.boxes)
    typer.echo(f"{len(sheets)} pictures, {boxes} boxes of {len(names)} classes: {', '.join(names) or 'none'}")
    if chips:
        say_aside(f"left out: {chips} chips, which show one thing each: --to deepcam has a place for them")
    vague = sum(box.vague for sheet in sheets for box in sheet.boxes)
    if vague and to is Format.yolo:
        say_aside(f"left out: {vague} boxes to be ignored, which YOLO has no word for")
    for path, reason in left_out:
        say_aside(f"left out: {path}: {reason}")


def autolabel(
    folder: Annotated[Path, typer.Argument(help="Folder of pictures.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the drafts.")] = Path("drafts"),
    model: Annotated[str, typer.Option(help="Bundle name or folder.")] = "vision",
    min_probability: Annotated[
        float, typer.Option(help="Draft boxes from this probability on, 0 to 1.")
    ] = 0.25,
) -> None:
    """Draft labels with the current detector, as YOLO and VOC, for a person to correct."""
    from vedette_vision.detector import WeaponDetector
    from vedette_vision.prepare.drafts import write_drafts

    if not 0 <= min_probability <= 1:
        raise InputError(f"--min-probability must be within 0..1, got {min_probability}")
    detector = WeaponDetector.load(model)
    with counting("drafting") as tell:
        found = write_drafts(detector, folder, out, min_probability=min_probability, tell=tell)
    typer.echo(
        f"{found.boxes} boxes on {found.pictures} pictures drafted into {out}; drafts.csv, least sure first"
    )
    if found.kept:
        say_aside(
            f"{len(found.kept)} label files were there already and were left alone, first {found.kept[0]}"
        )
    for path, reason in found.left_out:
        say_aside(f"left out: {path}: {reason}")
    if found.left_out:
        raise typer.Exit(1)


def hard_negatives(
    source: Annotated[
        Path, typer.Argument(help="manifest.jsonl, or a folder of frames known to show no weapon.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="manifest.jsonl to write.")],
    model: Annotated[str, typer.Option(help="Bundle name or folder.")] = "vision",
    min_probability: Annotated[
        float, typer.Option(help="A frame with a false weapon from this probability on is hard, 0 to 1.")
    ] = 0.05,
    most: Annotated[int, typer.Option(min=0, help="Keep only so many hardest; 0: all.")] = 0,
    times: Annotated[
        int, typer.Option(min=2, help="List a hard frame of a manifest so often in the new one.")
    ] = 4,
) -> None:
    """Find frames without weapons on which the detector sees some, for the next training to learn from.

    Of a manifest, the new one holds all of it and lists hard training frames several times: train on that.
    Of a folder, it holds the hard frames as subset hard_negatives: join it to others. NAME.false.csv lists
    the false boxes, surest first: look at the first of them, a frame may be armed after all.
    """
    from vedette_vision.detector import WeaponDetector
    from vedette_vision.prepare.hard import mine

    if not 0 <= min_probability <= 1:
        raise InputError(f"--min-probability must be within 0..1, got {min_probability}")
    if out.resolve() == source.resolve():
        raise OutputError(f"{out}: is what is read", hint="give another manifest with --out")
    detector = WeaponDetector.load(model)
    with counting("looking") as tell:
        found = mine(
            detector, source, out, min_probability=min_probability, most=most, times=times, tell=tell
        )
    boxes = sum(len(false) for _, false in found.hard)
    hard = f"{len(found.hard)} of {found.frames} frames without weapons are hard"
    typer.echo(f"{hard}, {boxes} false boxes on them")
    for path, reason in found.left_out:
        say_aside(f"left out: {path}: {reason}")
    typer.echo(f"wrote {out}, {out.with_name(f'{out.stem}.false.csv')}", err=True)
    if found.left_out:
        raise typer.Exit(1)


def compare_labels(
    a: Labels,
    b: Labels,
    names: Annotated[str, typer.Option(help="Class names of YOLO folders without any: one,two,...")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
    model: Annotated[
        list[Path] | None, typer.Option(help="Bundle or run trained on A, then one on B.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder with manifest.jsonl to judge both on.")
    ] = None,
) -> None:
    """Say how two label sets of the same pictures differ, and what a model trained on each is worth."""
    from vedette_vision.prepare.compare import compare, read_label_set

    if bool(model) != (pictures is not None) or len(model or []) not in (0, 2):
        raise InputError("--model must be given twice (trained on A, trained on B), with --pictures FOLDER")
    known = tuple(name for name in names.split(",") if name)
    found = compare(read_label_set(a, known), read_label_set(b, known))
    trained = _trained(model, pictures) if model and pictures else None
    if as_json:
        typer.echo(json.dumps(found.as_dict() | ({"trains_to": trained} if trained else {})))
        return
    from vedette.report.labeltable import comparison_lines

    for line in comparison_lines(found, trained):
        typer.echo(line)


def _trained(models: Sequence[Path], pictures: Path) -> list[dict[str, object]]:
    """Figures of bundles, which need no torch, or of training runs."""
    from vedette_base.bundle import CARD, load_bundle
    from vedette_vision.evaluate import evaluate

    found = []
    for path in models:
        if path.is_dir() and not (path / CARD).is_file():
            need_training()
            from vedette_vision.run_model import open_model

            bundle, engines = open_model(path)
        else:
            bundle, engines = load_bundle(str(path)), None
        found.append(evaluate(pictures, bundle, engines=engines).as_dict())
    return found


def _say(prepared: Prepared, out: Path) -> None:
    """Write the manifest with its tables; the findings go to stdout, the file names to stderr."""
    from vedette_vision.prepare.findings import words, write_all

    files = write_all(prepared, out)
    for line in words(prepared):
        typer.echo(line)
    typer.echo("wrote " + ", ".join(map(str, files)), err=True)
