"""A second opinion in a sound bundle: tutors that hear every picture, too, blended with the first network.

The first network was trained on this data alone and knows its shots; the tutors know all of AudioSet, and so
what is not a shot. Their mistakes differ: through bad lines the blend finds more shots at 10 false alarms an
hour than either of them; on clean sound the tutors alone are as good (``docs/audio-experiments.md``).
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vedette_audio.calibrate import calibrate
from vedette_audio.dataset import SoundCache, distinct_sounds, read_manifest
from vedette_audio.export import Parity, converters_may_be_old, draw_curves, measure
from vedette_audio.features import MELS, frames_in
from vedette_audio.tutor import TYPES, Tutor
from vedette_audio.validation import Validation
from vedette_base.bundle import MODEL, WEIGHTS, Bundle, Precision, Second, load_bundle, write_bundle
from vedette_base.calibration import logistic
from vedette_base.engine import open_engine
from vedette_base.errors import BundleError, InputError, ParityError
from vedette_base.media import SAMPLE_RATE
from vedette_base.probe import make_probe
from vedette_base.score import AUDIO_LABELS, GUNSHOT

Floats = npt.NDArray[np.float32]
SECOND = "second"
SHOT_SHARE, TYPE_SHARE = 0.5, 0.7
"""Of the tutors in the blend."""
_NAME = re.compile(r"mn04x(\d+)")
_FROM = "EfficientAT mn04 (AudioSet), https://github.com/fschmid56/EfficientAT, MIT"
_LADDER: tuple[Precision, ...] = ("bf16", "fp32")


class SecondOpinion(nn.Module):
    """One tutor for shots and several for types: pictures ``(n, 1, MELS, frames)`` to logits
    ``(n, len(AUDIO_LABELS))``. A type's is the mean of the tutors' log-probabilities given a shot."""

    def __init__(self, shot: Tutor, types: Sequence[Tutor]) -> None:
        super().__init__()
        self.front = shot.front
        self.trunks = nn.ModuleList([tutor.trunk for tutor in (shot, *types)])
        self.heads = nn.ModuleList([tutor.head for tutor in (shot, *types)])

    @property
    def architecture(self) -> str:
        """As the card names it; ``empty`` builds it."""
        return f"mn04x{len(self.trunks)}"

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits."""
        fronted = self.front(pictures)
        heard = zip(self.trunks, self.heads, strict=True)
        shot, *types = [head(trunk(fronted).mean(dim=(2, 3))) for trunk, head in heard]
        told = torch.stack([torch.log_softmax(logits, dim=1) for logits in types]).mean(dim=0)
        return torch.cat([told, shot], dim=1)


def empty(architecture: str) -> SecondOpinion:
    """The network of a card, to load weights into. Raises InputError for an architecture of another kind."""
    found = _NAME.fullmatch(architecture)
    if found is None or int(found[1]) < 2:
        raise InputError(f"architecture must be mn04x2 or more tutors, got {architecture!r}")
    return SecondOpinion(Tutor.start(1), [Tutor.start(TYPES) for _ in range(int(found[1]) - 1)])


def read_tutors(folder: str | Path) -> SecondOpinion:
    """The tutors that ``vedette train tutor`` wrote into a folder.

    Raises:
        BundleError: there is none for shots or none for types, or they look at pictures in different ways.
    """
    from vedette_audio.tutoring import SHOT

    files = sorted(Path(folder).glob("tutor-[0-9]*.safetensors"))
    if not files:
        raise BundleError(f"{folder}: no tutors for firearm types", hint="make some with vedette train tutor")
    shot, types = Tutor.load(Path(folder) / SHOT), [Tutor.load(file) for file in files]
    for file, tutor in zip(files, types, strict=True):
        same = [torch.equal(one, other) for one, other in _pairs(shot.front, tutor.front)]
        if tutor.head.out_features != TYPES or not all(same):
            raise BundleError(f"{file}: not of the same making as the one for shots")
    return SecondOpinion(shot, types).eval()


def _notes(folder: Path) -> list[Any]:
    """What ``vedette train tutor`` noted of each tutor for types."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("tutor-[0-9]*.json"))]


def _pairs(one: nn.Module, other: nn.Module) -> Any:
    return zip(one.state_dict().values(), other.state_dict().values(), strict=True)


def open_validation(manifest: str | Path, cache: str | Path, bundle: str | Path) -> Validation:
    """The clips of ``val``, each sound once, in the windows that a bundle takes.

    Raises:
        DataError: no such data. BundleError: no such bundle.
    """
    frames = _frames(load_bundle(bundle))
    clips = read_manifest(manifest)
    sounds = SoundCache.open(Path(manifest).parent, clips, Path(cache))
    held = [clip for clip in distinct_sounds(clips, sounds) if clip.split == "val"]
    return Validation(held, sounds, frames)


def _frames(bundle: Bundle) -> int:
    return int(bundle.card.input.get("frames", frames_in(2 * SAMPLE_RATE)))


def add_second_opinion(
    bundle: str | Path | Bundle,
    tutors: str | Path,
    out: str | Path,
    validation: Validation,
    *,
    shot_share: float = SHOT_SHARE,
    type_share: float = TYPE_SHARE,
    version: str | None = None,
) -> Bundle:
    """Write ``bundle`` with a second opinion to ``out``; its own network stays as it is, byte for byte.

    Calibration and thresholds are made anew for the blend, on the calibration third of ``val``.

    Args:
        tutors: folder that ``vedette train tutor`` wrote.
        validation: the clips of ``val``.
        shot_share, type_share: weight of the tutors in the blend, 0..1.
        version: of the new bundle; None keeps that of the old one.

    Raises:
        BundleError: no sound bundle, or no tutors. ParityError: no precision gives what the tutors give.
    """
    found = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    network = read_tutors(tutors)
    shape = (1, 1, MELS, _frames(found))
    shares = {label: shot_share if label == GUNSHOT else type_share for label in AUDIO_LABELS}
    files: dict[str, Path | bytes] = {name: (found.folder / name).read_bytes() for name in (MODEL, WEIGHTS)}
    reference = validation.clip_scores(network)
    tried: list[Parity] = []
    with tempfile.TemporaryDirectory() as scratch:
        for precision in _LADDER:
            ir = _convert(network, shape, half=precision != "fp32")
            second = Second(
                model=f"{SECOND}.xml",
                architecture=network.architecture,
                precision=precision,
                shares=shares,
                training={"from": _FROM, "tutors": _notes(Path(tutors))},
            )
            card = found.card.model_copy(update={"second": second})
            trial = write_bundle(Path(scratch) / precision, card, files | ir)
            alone = trial.second
            assert alone is not None
            parity = measure(alone, validation, reference, precision)
            tried.append(parity)
            if parity.passed:
                return _finish(trial, validation, parity, shape, Path(out), version)
    text = "; ".join(f"{p.way}: mean |dp| {p.mean_difference:.3f}" for p in tried)
    raise ParityError(f"no precision gives what the tutors give ({text})")


def _convert(network: nn.Module, shape: tuple[int, ...], *, half: bool) -> dict[str, bytes]:
    """The IR's two files, by the names they have in the bundle."""
    import openvino

    with converters_may_be_old(), torch.no_grad():
        model: Any = openvino.convert_model(
            network, example_input=torch.zeros(shape), input=[(-1, *shape[1:])]
        )
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{SECOND}.xml"
        openvino.save_model(model, str(path), compress_to_fp16=half)
        return {path.with_suffix(end).name: path.with_suffix(end).read_bytes() for end in (".xml", ".bin")}


def _finish(
    trial: Bundle,
    validation: Validation,
    parity: Parity,
    shape: tuple[int, ...],
    out: Path,
    version: str | None,
) -> Bundle:
    """Calibrate the blend, keep a probe of it, and put the bundle in its place."""
    engine = open_engine(trial)
    found = calibrate(validation, lambda batch: logistic(engine.run(batch)[0]).astype(np.float32))
    draw_curves(out, found.curves)
    assert trial.card.second is not None
    second = trial.card.second.model_copy(update={"parity": parity.as_card()})
    probe = {"probe": make_probe(engine, shape, low=-2.0, high=3.0)}
    card = trial.card.model_copy(
        update={
            "version": version or trial.card.version,
            "second": second,
            "calibration": found.maps,
            "thresholds": found.thresholds,
            "metrics": {},
            "parity": trial.card.parity | probe,
        }
    )
    return write_bundle(out, card, {name: trial.folder / name for name in trial.card.files})
