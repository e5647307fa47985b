"""Names of detectors, and what they stand for: Ultralytics' own YAML files, or ours with a P2 head."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import ultralytics
import yaml

from vedette_base.errors import ConfigError

OURS = Path(__file__).parent
THEIRS = Path(ultralytics.__file__).parent / "cfg" / "models"
FASTER_RCNN = "fasterrcnn_resnet50"
"""torchvision's Faster R-CNN with ResNet-50 and FPN: the classic that is compared with."""

SCALE = re.compile(r"^(yolov?\d+)([a-z])((?:-\w+)?)$")
"""``yolo11n-p2``: family, size, what it has beside the plain family."""


def plain_name(architecture: str) -> str:
    """``yolo11n.yaml`` and ``yolo11n`` are one."""
    return architecture.removesuffix(".yaml")


def is_rcnn(architecture: str) -> bool:
    """Whether it is the one that is no YOLO."""
    return plain_name(architecture) == FASTER_RCNN


def model_yaml(architecture: str) -> dict[str, Any]:
    """The description that ``DetectionModel`` builds, with its size filled in.

    ``yolo26-p2`` without a size is the smallest.

    Raises:
        ConfigError: there is none of that name or size, or it is no detector.
    """
    name = plain_name(architecture)
    found = SCALE.match(name)
    family = f"{found[1]}{found[3]}" if found else name
    size = found[2] if found else ""
    files = {file.stem: file for folder in (THEIRS, OURS) for file in sorted(folder.rglob("*.yaml"))}
    file = files.get(name) or files.get(family)
    if file is None:
        raise ConfigError(
            f"unknown architecture {architecture!r}",
            hint=_nearest(family, size, [*files, FASTER_RCNN]),
        )
    model: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    if model["head"][-1][2] != "Detect":
        raise ConfigError(f"{architecture!r} is no detector: its last layer is {model['head'][-1][2]}")
    sizes = list(model.get("scales", {}))
    if file.stem != name and size not in sizes:
        raise ConfigError(f"{architecture!r} has no size {size!r}", hint=f"sizes: {', '.join(sizes)}")
    if sizes:
        model["scale"] = size if file.stem != name else sizes[0]
    model["yaml_file"] = f"{name}.yaml"
    return model


def _nearest(family: str, size: str, known: list[str]) -> str:
    near = difflib.get_close_matches(family, known, 1)
    if not near:
        return f"for example yolo11n, yolo12s-p2, yolo26n-p2, yolov3-tiny, {FASTER_RCNN}"
    stem, dash, rest = near[0].partition("-")
    return f"did you mean '{stem}{size}{dash}{rest}'?"
