"""From a source to a manifest: read, listen, find twins and recordings, split, and say what was found."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vedette_audio.prepare.cards import DatasetCard, shipped_table
from vedette_audio.prepare.cues import Cues, format_cues
from vedette_audio.prepare.facts import Facts, measure
from vedette_audio.prepare.groups import Estimate, estimate_recordings, known_recordings
from vedette_audio.prepare.layouts import Entry, read_source
from vedette_audio.prepare.listen import HEARD_S, listen
from vedette_audio.prepare.suspects import Suspect, find_suspects, wrong_onsets
from vedette_audio.prepare.twins import Twin, find_twins
from vedette_base.errors import DataError
from vedette_base.manifests import refuse_broken
from vedette_base.score import FIREARMS
from vedette_base.splits import TRAIN, join_twins, split_by_group

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A source that was listened to.

    Attributes:
        root: the folder that the entries' paths lie below.
        entries: the clips kept, with group, split and flag.
        facts: one per entry.
        twins, suspects: numbers are those of ``entries``.
        joints: the evidence on which clips were put into one recording; empty where the publisher names them.
        cues: what the format gives away.
        left_out: path and reason of each clip that cannot be used.
        whole: classes of one recording, which cannot be split.
    """

    root: Path
    entries: tuple[Entry, ...]
    facts: tuple[Facts, ...]
    twins: tuple[Twin, ...]
    joints: tuple[Estimate, ...]
    cues: Cues
    suspects: tuple[Suspect, ...]
    left_out: tuple[tuple[str, str], ...]
    whole: tuple[str, ...]


def prepare(
    card: DatasetCard, root: Path, *, skip_broken: bool = False, tell: Tell = lambda done, of: None
) -> Prepared:
    """Read and measure a source, find its recordings, and split it by them.

    Args:
        card: what the source is.
        root: where it lies.
        skip_broken: leave out clips that cannot be used (each is named in ``left_out``) instead of refusing.
        tell: called with (clips done, clips in all).

    Raises:
        DataError: the source cannot be read, holds broken files, or is silent throughout.
    """
    source = [replace(entry, group=_recording(card, entry)) for entry in read_source(card, root)]
    entries, facts, left_out = listen_to(source, root, skip_broken=skip_broken, tell=tell)
    twins = find_twins(facts)
    joints: tuple[Estimate, ...] = ()
    groups = [entry.group or entry.path for entry in entries]
    if card.recordings == "estimated":
        estimated, joints = estimate_recordings(entries, facts, twins)
        groups = [entry.group or guess for entry, guess in zip(entries, estimated, strict=True)]
    sides = [entry.split for entry in entries]
    if card.groups_table:
        groups, sides = known_recordings(shipped_table(card.groups_table), entries, groups)
    groups, sides = join_twins(groups, twins, sides)
    if card.recordings == "one":
        sides = [side or TRAIN for side in sides]
    split = split_by_group([entry.fine for entry in entries], groups, card.val_share, sides)
    entries = [
        replace(entry, group=group, split=side)
        for entry, group, side in zip(entries, groups, split.sides, strict=True)
    ]
    return sum_up(root, entries, facts, twins, joints, left_out, split.whole)


def _recording(card: DatasetCard, entry: Entry) -> str:
    """What the publisher or the clip's name says of its recording; empty where they say nothing."""
    named = re.search(card.group_pattern, entry.path) if card.group_pattern else None
    if named:
        return f"{card.name}_{named[1]}"
    return entry.group or (card.name if card.recordings == "one" else "")


def listen_to(
    entries: Sequence[Entry], root: Path, *, skip_broken: bool, tell: Tell, heard_s: float = HEARD_S
) -> tuple[list[Entry], list[Facts], list[tuple[str, str]]]:
    """Measure every clip: those that can be used with their facts, and the rest with the reason.

    Raises:
        DataError: a file is broken and ``skip_broken`` is off; nothing but silence is left.
    """
    kept, facts, broken, silent = [], [], [], []
    place = root.resolve()  # which need not exist yet: "out/../clips" is only a name until it does
    for number, entry in enumerate(entries):
        tell(number, len(entries))
        sound = listen(Path(os.path.normpath(place / entry.path)), heard_s=heard_s)
        if sound.fault:
            broken.append((entry.path, sound.fault))
            continue
        found = measure(sound)
        if found.silent:
            silent.append((entry.path, f"silent: peak {found.peak_db:.0f} dB of full scale"))
            continue
        kept.append(entry)
        facts.append(found)
    tell(len(entries), len(entries))
    refuse_broken(broken, len(entries), skip_broken, what="clips")
    if not kept:
        raise DataError(f"{root}: none of {len(entries)} clips can be used: {len(silent)} are silent")
    return kept, facts, broken + silent


def sum_up(
    root: Path,
    entries: Sequence[Entry],
    facts: Sequence[Facts],
    twins: Sequence[Twin],
    joints: Sequence[Estimate],
    left_out: Sequence[tuple[str, str]],
    whole: Sequence[str],
) -> Prepared:
    """Remarks and cues of clips whose recordings are known; the remarks go into the clips' flags."""
    names = [entry.fine for entry in entries]
    rates = [entry.rate or clip.rate for entry, clip in zip(entries, facts, strict=True)]
    suspects = find_suspects([e.label for e in entries], names, [e.group for e in entries], facts)
    suspects = tuple(
        sorted((*suspects, *wrong_onsets([e.onsets for e in entries], facts)), key=lambda s: (s.clip, s.flag))
    )
    flags: dict[int, list[str]] = {}
    for suspect in suspects:
        flags.setdefault(suspect.clip, []).append(suspect.flag)
    flagged = [
        replace(entry, flag=_joined([*entry.flag.split("+"), *flags.get(i, ())]), rate=rates[i])
        for i, entry in enumerate(entries)
    ]
    return Prepared(
        root,
        tuple(flagged),
        tuple(facts),
        tuple(twins),
        tuple(joints),
        format_cues(names, facts, rates),
        suspects,
        tuple(left_out),
        tuple(whole),
    )


def _joined(flags: Sequence[str]) -> str:
    """Remarks of a clip as the manifest holds them; those of an earlier manifest come first."""
    return "+".join(dict.fromkeys(flag for flag in flags if flag))


def conflicts(prepared: Prepared) -> Counter[tuple[str, str]]:
    """Pairs of classes that share sound, with the number of twins.

    Two sources may call one thing by two names: there, only shot or no shot and two firearms contradict.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for twin in prepared.twins:
        one, two = prepared.entries[twin.first], prepared.entries[twin.second]
        named = one.source == two.source or {one.fine, two.fine} <= set(FIREARMS)
        if one.label != two.label or (one.fine != two.fine and named):
            first, second = sorted((one.fine, two.fine))
            pairs[first, second] += 1
    return pairs
