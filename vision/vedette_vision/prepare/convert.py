"""From any label format to any other: pictures with boxes by name, written as YOLO, VOC or COCO.

Boxes are those of the upright picture, and so is the size that is written. VOC edges are whole pixels, as its
tools expect, so they move by up to half a pixel; a box that would lose its area keeps two decimals. Boxes to
be ignored become ``difficult`` in VOC and ``iscrowd`` in COCO; YOLO has no word for them and leaves them out.
The finer name beneath a class (a wallet, of ``no_weapon``) goes along: as an attribute in VOC and COCO, in
``finer_names.json`` beside ``data.yaml``. Chips, which show one thing each, are no pictures to find it in:
``deepcam_out`` alone has a place for them.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import yaml

from vedette_base.errors import DataError, OutputError
from vedette_base.manifests import write_text
from vedette_base.score import VISION_LABELS
from vedette_base.splits import TRAIN
from vedette_vision.prepare.entries import EntryBox, upright
from vedette_vision.prepare.header import read_header
from vedette_vision.prepare.labelled import FINE, LabelBox, Labelled
from vedette_vision.prepare.look import look_at
from vedette_vision.prepare.manifest import read_entries
from vedette_vision.prepare.sources import read_folder
from vedette_vision.prepare.yolo import FINER

Format = Literal["yolo", "voc", "coco"]
_OURS = (*VISION_LABELS, "gun", "person", "weapon")
"""Our labels in the order of the ids that our own data sets use."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One picture to be written: its file, its name without ending, size, boxes by name, and side.

    ``chip``: a cut-out that shows one thing.
    """

    picture: Path
    stem: str
    size: tuple[int, int]
    boxes: tuple[LabelBox, ...]
    side: str
    chip: bool = False

    def edges(self, box: LabelBox) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 of a box in pixels."""
        width, height = self.size
        return box.x1 * width, box.y1 * height, box.x2 * width, box.y2 * height


def sheets_of(source: Path, *, fine: bool = False) -> tuple[tuple[Sheet, ...], tuple[tuple[str, str], ...]]:
    """Pictures of a ``manifest.jsonl``, or of a folder of labels.

    Args:
        source: the manifest, or a folder of YOLO, VOC, COCO or Deepcam labels with its pictures.
        fine: the finer names, where they are known, instead of the classes above them.

    Returns:
        The pictures, and (path, reason) of every file that was not taken.

    Raises:
        DataError: a source that cannot be read or in which nothing is labelled.
    """
    if source.is_file():
        entries = read_entries(source)
        stems = _stems([entry.path for entry in entries])
        return tuple(
            Sheet(
                source.parent / entry.path,
                stem,
                entry.size if entry.size != (0, 0) else _size(source.parent / entry.path),
                tuple(_drawn(box, fine) for box in entry.boxes),
                entry.split,
            )
            for entry, stem in zip(entries, stems, strict=True)
        ), ()
    read = read_folder(source)
    left_out = [*read.broken, *((remark.path, remark.evidence) for remark in read.remarks)]
    stems = _stems([picture.path for picture in read.pictures])
    sheets = []
    for picture, stem in zip(read.pictures, stems, strict=True):
        try:
            sheet = _sheet(source, picture, stem)
            sheets.append(replace(sheet, boxes=tuple(map(_finest, sheet.boxes))) if fine else sheet)
        except DataError as error:
            left_out.append((picture.path, str(error)))
    if not sheets:
        raise DataError(f"{source}: no labelled pictures", hint=_first(left_out))
    return tuple(sheets), tuple(left_out)


def write_sheets(sheets: Sequence[Sheet], to: Format, out: Path) -> tuple[str, ...]:
    """Write copies of the pictures, and labels, below ``out``.

    ``yolo``: ``<side>/images``, ``<side>/labels`` and ``data.yaml``. ``voc``: ``JPEGImages``, ``Annotations``
    and ``ImageSets/Main``. ``coco``: ``<side>`` and ``annotations/instances_<side>.json``.

    Returns:
        The class names, in the order of their ids: ours first, in their own order, then by the alphabet.

    Raises:
        DataError: nothing but chips. OutputError: something cannot be written.
    """
    sheets = [sheet for sheet in sheets if not sheet.chip]
    if not sheets:
        raise DataError("nothing but chips: cut-outs that show one thing", hint="--to deepcam has a place")
    found = {box.name for sheet in sheets for box in sheet.boxes if to != "yolo" or not box.vague}
    names = (*(name for name in _OURS if name in found), *sorted(found - set(_OURS)))
    {"yolo": _yolo, "voc": _voc, "coco": _coco}[to](sheets, names, out)
    return names


def yolo_lines(boxes: Sequence[LabelBox], names: Sequence[str]) -> str:
    """The text of a YOLO label file."""
    rows = []
    for box in boxes:
        if box.vague:
            continue
        centre = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
        numbers = (*centre, box.x2 - box.x1, box.y2 - box.y1)
        rows.append(" ".join([str(names.index(box.name)), *(f"{number:.6f}" for number in numbers)]) + "\n")
    return "".join(rows)


def voc_xml(sheet: Sheet) -> str:
    """The text of a VOC annotation."""
    tree = ElementTree.Element("annotation")
    ElementTree.SubElement(tree, "folder").text = "JPEGImages"
    ElementTree.SubElement(tree, "filename").text = _spelt(sheet.stem + sheet.picture.suffix)
    size = ElementTree.SubElement(tree, "size")
    for key, value in zip(("width", "height", "depth"), (*sheet.size, 3), strict=True):
        ElementTree.SubElement(size, key).text = str(value)
    for box in sheet.boxes:
        thing = ElementTree.SubElement(tree, "object")
        ElementTree.SubElement(thing, "name").text = box.name
        ElementTree.SubElement(thing, "difficult").text = str(int(box.vague))
        if box.fine:
            beneath = ElementTree.SubElement(ElementTree.SubElement(thing, "attributes"), "attribute")
            ElementTree.SubElement(beneath, "name").text = FINE
            ElementTree.SubElement(beneath, "value").text = box.fine
        bounds = ElementTree.SubElement(thing, "bndbox")
        edges = sheet.edges(box)
        whole = [round(edge) for edge in edges]
        flat = whole[0] >= whole[2] or whole[1] >= whole[3]
        for key, edge, pixel in zip(("xmin", "ymin", "xmax", "ymax"), edges, whole, strict=True):
            ElementTree.SubElement(bounds, key).text = f"{edge:.2f}" if flat else str(pixel)
    ElementTree.indent(tree)
    return ElementTree.tostring(tree, "unicode") + "\n"


def _spelt(name: str) -> str:
    """A name that XML can hold, as names of files need not be UTF-8; the XML's own tells the picture."""
    return name.encode("utf-8", "replace").decode("utf-8")


def coco_table(sheets: Sequence[Sheet], names: Sequence[str]) -> dict[str, object]:
    """A COCO file of one side: picture ids from 1, category ids from 1 as COCO has them."""
    boxes = [(number, sheet, box) for number, sheet in enumerate(sheets, 1) for box in sheet.boxes]
    annotations = []
    for number, (picture, sheet, box) in enumerate(boxes, 1):
        x1, y1, x2, y2 = sheet.edges(box)
        annotations.append(
            {
                "id": number,
                "image_id": picture,
                "category_id": names.index(box.name) + 1,
                "bbox": [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)],
                "area": round((x2 - x1) * (y2 - y1), 3),
                "iscrowd": int(box.vague),
                **({"attributes": {FINE: box.fine}} if box.fine else {}),
            }
        )
    return {
        "images": [
            {
                "id": number,
                "file_name": sheet.stem + sheet.picture.suffix,
                "width": sheet.size[0],
                "height": sheet.size[1],
            }
            for number, sheet in enumerate(sheets, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, 1)],
    }


def _drawn(box: EntryBox, fine: bool) -> LabelBox:
    name = box.fine if fine or box.label == "ignore" else box.label
    beneath = "" if box.fine == name else box.fine
    return LabelBox(name, box.x1, box.y1, box.x2, box.y2, vague=box.label == "ignore", fine=beneath)


def _finest(box: LabelBox) -> LabelBox:
    return replace(box, name=box.fine or box.name, fine="")


def _yolo(sheets: Sequence[Sheet], names: Sequence[str], out: Path) -> None:
    finer = {}
    for sheet in sheets:
        place(sheet, out / sheet.side / "images")
        label = f"{sheet.side}/labels/{sheet.stem}.txt"
        write_text(out / label, yolo_lines(sheet.boxes, names))
        drawn = [box for box in sheet.boxes if not box.vague]
        if any(box.fine for box in drawn):
            finer[label] = [[box.name, box.fine] for box in drawn]
    if finer:
        write_text(out / FINER, json.dumps(finer, indent=1, ensure_ascii=False) + "\n")
    table: dict[str, object] = {side: f"{side}/images" for side in _sides(sheets)}
    table |= {"nc": len(names), "names": list(names)}
    write_text(out / "data.yaml", yaml.safe_dump(table, sort_keys=False, allow_unicode=True))


def _voc(sheets: Sequence[Sheet], names: Sequence[str], out: Path) -> None:
    del names  # VOC writes them beside each box
    for sheet in sheets:
        place(sheet, out / "JPEGImages")
        write_text(out / "Annotations" / f"{sheet.stem}.xml", voc_xml(sheet))
    for side in _sides(sheets):
        lines = "".join(f"{sheet.stem}\n" for sheet in sheets if sheet.side == side)
        write_text(out / "ImageSets" / "Main" / f"{side}.txt", lines)


def _coco(sheets: Sequence[Sheet], names: Sequence[str], out: Path) -> None:
    for side in _sides(sheets):
        chosen = [sheet for sheet in sheets if sheet.side == side]
        for sheet in chosen:
            place(sheet, out / side)
        text = json.dumps(coco_table(chosen, names))
        write_text(out / "annotations" / f"instances_{side}.json", text + "\n")


def _sides(sheets: Sequence[Sheet]) -> list[str]:
    return sorted({sheet.side for sheet in sheets})


def place(sheet: Sheet, folder: Path) -> None:
    """A copy of the picture in ``folder`` under its new name. Raises OutputError."""
    target = folder / (sheet.stem + sheet.picture.suffix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise OutputError(f"{target}: is there already", hint="give an empty folder with --out")
        shutil.copyfile(sheet.picture, target)
    except OutputError:
        raise
    except OSError as error:
        with suppress(OSError):
            target.unlink()  # half a picture
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error


def _sheet(root: Path, picture: Labelled, stem: str) -> Sheet:
    path = root / picture.path
    header = read_header(path)
    if header.fault:
        raise DataError(header.fault)
    size = header.size if header.stored != (0, 0) else _size(path)
    stored = picture.size is not None and picture.size == header.stored != header.size
    boxes = upright(picture.boxes, header.turned) if stored else picture.boxes
    return Sheet(path, stem, size, boxes, picture.side or TRAIN, picture.chip)


def _size(path: Path) -> tuple[int, int]:
    look = look_at(path)
    if look.fault:
        raise DataError(f"{path}: {look.fault}")
    return look.size


def _stems(paths: Sequence[str]) -> list[str]:
    """A name of its own for each picture: the file's, or the whole path where two share it."""
    plain = Counter(Path(path).stem for path in paths)
    return list(_unique(_stem(path, plain[Path(path).stem] > 1) for path in paths))


def _stem(path: str, shared: bool) -> str:
    bare = Path(path).with_suffix("")
    return "__".join(part for part in bare.parts if part != "..") if shared else bare.name


def _unique(stems: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for stem in stems:
        name, number = stem, 2
        while name in seen:
            name, number = f"{stem}_{number}", number + 1
        seen.add(name)
        yield name


def _first(left_out: Sequence[tuple[str, str]]) -> str:
    return f"{left_out[0][0]}: {left_out[0][1]}" if left_out else ""
