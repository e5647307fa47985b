"""Hard negatives: frames that show no weapon and on which the detector finds one all the same.

Training on them is what lowers false alarms (Shrivastava et al. 2016, https://arxiv.org/abs/1604.03540): a
frame that fools the detector is drawn more often than one that it has long understood.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vedette_base.errors import DataError
from vedette_base.manifests import write_text
from vedette_base.score import WEAPONS
from vedette_base.splits import TRAIN
from vedette_vision.detector import Detection, WeaponDetector
from vedette_vision.imaging import read_image
from vedette_vision.prepare.entries import Entry
from vedette_vision.prepare.labelled import picture_files
from vedette_vision.prepare.look import look_at
from vedette_vision.prepare.manifest import read_entries, write_manifest

SUBSET = "hard_negatives"
"""Of frames from a folder; ``train.shares`` says how often they are drawn."""
TIMES = 4
"""How often a manifest lists a hard frame of its own, so that it is drawn so often."""
_ARMED = {*WEAPONS, "gun", "weapon", "ignore"}

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Mined:
    """What mining found.

    Attributes:
        frames: without weapons that were looked at; left_out: path and reason of those that could not be.
        hard: those with a false weapon, hardest first, and the false boxes on each.
    """

    frames: int
    hard: tuple[tuple[Entry, tuple[Detection, ...]], ...]
    left_out: tuple[tuple[str, str], ...] = ()


def mine(
    detector: WeaponDetector,
    source: Path,
    out: Path,
    *,
    min_probability: float = 0.05,
    most: int = 0,
    times: int = TIMES,
    tell: Tell = lambda done, of: None,
) -> Mined:
    """Look for false weapons on frames that show none, and write a manifest of what is to be learnt.

    Writes ``out`` and, beside it, ``NAME.false.csv``: every false box, surest first. A person should look at
    the first of them: a frame may be armed after all.

    Args:
        detector: whose mistakes are sought.
        source: a ``manifest.jsonl``: its training pictures without weapons and without regions to be ignored.
            Or a folder of frames of which it is known that they show no weapon, a folder a scene.
        out: of a manifest, the same with every hard frame listed ``times`` times, to be trained on; of a
            folder, the hard frames as subset ``hard_negatives``, to be joined to other manifests.
        min_probability: of a false box from which its frame is hard, 0..1.
        most: keep only so many hardest; 0: all.

    Raises:
        DataError: no frames there. OutputError: a file cannot be written.
    """
    root = source if source.is_dir() else source.parent
    whole = () if source.is_dir() else read_entries(source)
    frames = _of_folder(source) if source.is_dir() else [entry for entry in whole if _is_empty(entry)]
    if not frames:
        raise DataError(
            f"{source}: no frames without weapons",
            hint="give a folder of such frames, or a manifest with some",
        )
    hard, left_out = [], []
    for number, frame in enumerate(frames):
        tell(number, len(frames))
        look = look_at(root / frame.path)
        image = None if look.fault else read_image(root / frame.path)
        if image is None:
            left_out.append((frame.path, look.fault or "cannot be decoded"))
            continue
        false = [d for d in detector.detect(image, min_probability) if d.label in WEAPONS]
        if false:
            false.sort(key=lambda d: -d.probability)
            hard.append((replace(frame, size=look.size), tuple(false)))
    tell(len(frames), len(frames))
    hard.sort(key=lambda found: -found[1][0].probability)
    hard = hard[: most or None]
    again = times - 1 if whole else 1
    write_manifest(out, root, [*whole, *(entry for entry, _ in hard for _ in range(again))])
    write_text(out.with_name(f"{out.stem}.false.csv"), _table(hard))
    return Mined(len(frames) - len(left_out), tuple(hard), tuple(left_out))


def _is_empty(entry: Entry) -> bool:
    return entry.split == TRAIN and not entry.chip and not _ARMED & {box.label for box in entry.boxes}


def _of_folder(folder: Path) -> list[Entry]:
    return [
        Entry(path, (0, 0), (), SUBSET, SUBSET, f"{SUBSET}/{Path(path).parent.as_posix()}", TRAIN)
        for path in picture_files(folder)
    ]


def _table(hard: Sequence[tuple[Entry, tuple[Detection, ...]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "label", "probability", "x1", "y1", "x2", "y2"))
    for entry, false in hard:
        for d in false:
            writer.writerow(
                (entry.path, d.label, round(d.probability, 3), *(round(edge, 1) for edge in d.box))
            )
    return text.getvalue()
