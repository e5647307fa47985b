"""Looking again at manifests: twins across the split and across sources; one manifest of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vedette_audio.prepare.listen import HEARD_S
from vedette_audio.prepare.manifest import read_entries
from vedette_audio.prepare.preparation import Prepared, Tell, listen_to, sum_up
from vedette_audio.prepare.twins import Twin, find_twins
from vedette_base.manifests import below, refuse_twice
from vedette_base.splits import join_twins, of_one_group


@dataclass(frozen=True, slots=True)
class Audit:
    """What several manifests are together.

    ``crossing`` are the twins that lay on both sides of the split before; in ``prepared`` each recording has
    one side, and recordings that share sound, of whatever source, are one.
    """

    prepared: Prepared
    crossing: tuple[Twin, ...]


def audit(
    manifests: Sequence[Path],
    folder: Path,
    *,
    skip_broken: bool = False,
    tell: Tell = lambda done, of: None,
    heard_s: float = HEARD_S,
) -> Audit:
    """Listen to all clips of ``manifests`` and join them; paths become relative to ``folder``.

    Raises:
        DataError: a manifest that cannot be read, missing or broken files, a file that is listed twice.
    """
    read = [
        replace(entry, path=below(path.parent / entry.path, folder))
        for path in manifests
        for entry in read_entries(path)
    ]
    refuse_twice([entry.path for entry in read], manifests)
    entries, facts, left_out = listen_to(read, folder, skip_broken=skip_broken, tell=tell, heard_s=heard_s)
    twins = find_twins(facts)
    crossing = tuple(twin for twin in twins if entries[twin.first].split != entries[twin.second].split)
    names, sides = join_twins(
        [f"{entry.source}/{entry.group}" for entry in entries], twins, [entry.split for entry in entries]
    )
    joined = [
        replace(
            entry, group=name.partition("/")[2] if name.startswith(entry.source + "/") else name, split=side
        )
        for entry, name, side in zip(entries, names, sides, strict=True)
    ]
    whole = of_one_group([entry.fine for entry in entries], names)
    return Audit(sum_up(folder, joined, facts, twins, (), left_out, whole), crossing)
