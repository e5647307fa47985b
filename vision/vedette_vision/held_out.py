"""Pictures of val that are in train under another name: they tell nothing about new pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from vedette_vision.dataset import Picture
from vedette_vision.prepare.look import look_at
from vedette_vision.prepare.nearness import find_twins


def twins_in_training(dataset_root: Path, pictures: Sequence[Picture]) -> tuple[int, ...]:
    """Numbers of the pictures that have a near-duplicate (also mirrored) among those of ``train``.

    Looks at every training picture that is there; ``vedette data check`` lists the pairs.
    """
    lines = (dataset_root / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    taught = [dataset_root / e["file"] for e in entries if str(e["subset"]).partition("/")[0] == "train"]
    looks = [look_at(p.file) for p in pictures]
    there = [look for look in map(look_at, taught) if not look.fault]
    known = {look.digest for look in there}
    # equal files are one and are told by their digest: twins are sought among the others
    others = list(
        {look.digest: look for look in looks if look.digest not in known and not look.fault}.values()
    )
    for twin in find_twins([*others, *there]):
        if twin.first < len(others) <= twin.second:
            known.add(others[twin.first].digest)
    return tuple(i for i, look in enumerate(looks) if not look.fault and look.digest in known)
