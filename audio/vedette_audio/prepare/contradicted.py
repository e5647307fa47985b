"""Clips that a sound model contradicts: labelled a shot and none heard, or the other way round.

What a model was trained on it excuses, so it is a question to a person, not a verdict: the surest way is a
model that never saw the set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vedette_audio.prepare.layouts import Entry
from vedette_audio.prepare.suspects import Suspect
from vedette_base.score import GUNSHOT

DEAF = 0.1
"""P(shot) below which a clip labelled a shot is doubted."""
LOUD = 0.9
"""P(shot) from which a clip labelled otherwise is doubted."""


def find_contradicted(
    entries: Sequence[Entry],
    root: Path,
    hear: Callable[[Path], float],
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[Suspect, ...]:
    """Hear every clip and give those whose label the model contradicts, surest first.

    Args:
        entries: clips, their paths below ``root``.
        hear: gives the probability, 0..1, that a file holds a shot.
        tell: called with (clips done, clips in all).
    """
    found = []
    for number, entry in enumerate(entries):
        tell(number, len(entries))
        p = hear(root / entry.path)
        if entry.label == GUNSHOT and p < DEAF:
            found.append((p, Suspect(number, "no_shot_heard", f"P(shot) is {p:.2f}")))
        elif entry.label != GUNSHOT and p >= LOUD:
            found.append((1 - p, Suspect(number, "shot_heard", f"labelled {entry.fine}, P(shot) is {p:.2f}")))
    tell(len(entries), len(entries))
    return tuple(suspect for _, suspect in sorted(found, key=lambda pair: pair[0]))
