"""Quick figures of a network while it trains: AP50 per subset, and on enlarged people of unseen cameras."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from vedette_base.media import Pixels
from vedette_vision.augment import cut_labels
from vedette_vision.boxes import Floats, Letterbox, decode
from vedette_vision.dataset import Labels, Picture
from vedette_vision.imaging import resize
from vedette_vision.labels import LABEL_IDS, OPEN_TYPES, OUTPUTS, PERSON
from vedette_vision.metrics import average_precision

MAIN_CLASSES: dict[str, tuple[str, ...]] = {
    "knife": ("knife",),
    "granada_armas": ("pistol",),
    "openimages_gun": ("long_gun", "pistol"),
    "us_cam1": ("long_gun", "pistol"),
    "phone_use": ("no_weapon",),
    "cctv_gray": ("knife", "long_gun", "pistol"),
}
"""What is quoted per subset; several classes are judged as one (a firearm, whatever its type)."""

NOT_PICKED_BY = {"us_cam1", "us_cam1 looks"}
"""Logged, but the best weights are not chosen by them: this camera is the test that is quoted."""
LOOKED_AT = {"us_cam1", "cctv_gray"}
"""Subsets that are also judged on enlarged people."""
HELD_OUT_FROM = "cctv_gray"
BIG_GROUP = "gray_num"
"""Holds hundreds of unrelated pictures without the name of their camera: not held out."""
LOOK_SIDE = 320
LOOK_MARGIN = 0.2


def hold_out(pictures: Sequence[Picture], share: float) -> tuple[list[Picture], list[Picture]]:
    """Training pictures, and a share of the cameras of ``cctv_gray`` that none of them shows."""
    own: list[Picture] = []
    held: list[Picture] = []
    for picture in pictures:
        candidate = picture.subset == HELD_OUT_FROM and picture.group != BIG_GROUP
        drawn = zlib.crc32(picture.group.encode(errors="surrogateescape")) % 1000 < share * 1000
        (held if candidate and drawn else own).append(picture)
    return own, held


def predict(
    network: nn.Module, images: Iterator[Pixels] | Sequence[Pixels], size: int, *, bf16: bool, batch: int = 16
) -> Iterator[npt.NDArray[np.float32]]:
    """Network output per picture ``(4 + classes, anchors)``, letterboxed to a square of ``size`` pixels."""
    network.eval()
    inputs: list[Pixels] = []
    for image in images:
        fit = Letterbox.fit((image.shape[1], image.shape[0]), (size, size))
        inputs.append(fit.pad(resize(image, fit.inner)))
        if len(inputs) == batch:
            yield from _run(network, inputs, bf16)
            inputs = []
    if inputs:
        yield from _run(network, inputs, bf16)


def _run(network: nn.Module, inputs: list[Pixels], bf16: bool) -> npt.NDArray[np.float32]:
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        outputs = network(as_tensor(np.stack(inputs)))
    found: npt.NDArray[np.float32] = outputs[0].float().numpy()
    return found


def as_tensor(images: npt.NDArray[np.uint8]) -> torch.Tensor:
    """BGR bytes ``(b, h, w, 3)`` to RGB 0..1, ``(b, 3, h, w)`` in memory order channels-last."""
    return torch.from_numpy(np.ascontiguousarray(images[..., ::-1])).permute(0, 3, 1, 2).float().div_(255)


def val_figures(
    network: nn.Module, pictures: Sequence[Picture], size: int, *, bf16: bool
) -> dict[str, float]:
    """AP50 per subset, of what ``MAIN_CLASSES`` names; subsets without truth are left out."""
    known = [p for p in pictures if p.subset in MAIN_CLASSES]
    outputs = predict(network, (p.read() for p in known), size, bf16=bf16)
    return _figures(((p.subset, p.read(), p.labels) for p in known), outputs, size)


def look_figures(network: nn.Module, pictures: Sequence[Picture], *, bf16: bool) -> dict[str, float]:
    """The same on enlarged squares around labelled people (``LOOKED_AT``), under ``"<subset> looks"``."""
    looks = [look for p in pictures if p.subset in LOOKED_AT for look in _looks(p)]
    outputs = predict(network, (image for _, image, _ in looks), LOOK_SIDE, bf16=bf16)
    return _figures(looks, outputs, LOOK_SIDE)


def _looks(picture: Picture) -> Iterator[tuple[str, Pixels, Labels]]:
    image = picture.read()
    height, width = image.shape[:2]
    labels = picture.labels.copy()
    labels[:, 1:] *= np.array([width, height] * 2, np.float32)
    for box in labels[labels[:, 0] == PERSON, 1:]:
        half = float((box[2:] - box[:2]).max()) * (0.5 + LOOK_MARGIN)
        x, y = (box[:2] + box[2:]) / 2
        left, top = max(0, int(x - half)), max(0, int(y - half))
        right, low = min(width, int(x + half) + 1), min(height, int(y + half) + 1)
        inside = cut_labels(labels, (left, top, right, low))
        inside[:, 1:] = (inside[:, 1:] - np.array([left, top] * 2)) / np.array([right - left, low - top] * 2)
        yield f"{picture.subset} looks", np.ascontiguousarray(image[top:low, left:right]), inside


def _figures(
    items: Iterator[tuple[str, Pixels, Labels]] | Sequence[tuple[str, Pixels, Labels]],
    outputs: Iterator[npt.NDArray[np.float32]],
    size: int,
) -> dict[str, float]:
    found: dict[str, list[Any]] = {}
    truth: dict[str, list[Floats]] = {}
    ignored: dict[str, list[Floats]] = {}
    for (name, image, labels), output in zip(items, outputs, strict=True):
        names = MAIN_CLASSES[name.removesuffix(" looks")]
        height, width = image.shape[:2]
        fit = Letterbox.fit((width, height), (size, size))
        rows = [4 + OUTPUTS.index(n) for n in names]
        boxes, scores, _ = decode(np.concatenate([output[:4], output[rows].max(0, keepdims=True)]), 0.01)
        found.setdefault(name, []).append((fit.to_picture(boxes), scores))
        pixels = labels[:, 1:] * np.array([width, height] * 2, np.float32)
        truth.setdefault(name, []).append(pixels[np.isin(labels[:, 0], _truth_ids(names))])
        ignored.setdefault(name, []).append(pixels[labels[:, 0] == LABEL_IDS["ignore"]])
    figures = {name: average_precision(found[name], truth[name], ignored[name]) for name in found}
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _truth_ids(names: Sequence[str]) -> list[int]:
    """Ids of labels that are surely one of these classes, open types among them."""
    open_ids = [LABEL_IDS[label] for label, may in OPEN_TYPES.items() if set(may) <= set(names)]
    return [LABEL_IDS[name] for name in names] + open_ids
