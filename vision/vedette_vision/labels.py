"""Names and numbers of what the detector knows: outputs of the network, and ids of training labels."""

from __future__ import annotations

from vedette_base.score import VISION_LABELS

OUTPUTS: tuple[str, ...] = (*VISION_LABELS, "person")
"""Class columns of the network, in order. ``person`` guides the closer look and is never reported."""

PERSON = OUTPUTS.index("person")

LABEL_IDS: dict[str, int] = {name: column for column, name in enumerate(OUTPUTS)} | {
    "gun": len(OUTPUTS),
    "weapon": len(OUTPUTS) + 1,
    "ignore": len(OUTPUTS) + 2,
    "maybe_person": len(OUTPUTS) + 3,
}
"""Ids used in training: the network's outputs, labels that leave the type open, regions that say nothing."""

OPEN_TYPES: dict[str, tuple[str, ...]] = {
    "gun": ("long_gun", "pistol"),
    "weapon": ("knife", "long_gun", "pistol"),
}
"""Labels that leave the type open, in the order of their ids, and what each may be."""

FIREARM_IDS: tuple[int, ...] = (LABEL_IDS["long_gun"], LABEL_IDS["pistol"], LABEL_IDS["gun"])
"""Labels that are firearms, whatever the type."""
