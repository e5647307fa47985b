"""What one training step sees: scenes drawn so that types, sources and sound classes are balanced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vedette_audio import synthetic
from vedette_audio.augment import Channel, Placed, carpet, mix, place, quiet_stretch
from vedette_audio.dataset import Clip, SoundCache, shot_peaks
from vedette_base.config import AudioTrainConfig
from vedette_base.media import SAMPLE_RATE
from vedette_base.score import AUDIO_LABELS, GUNSHOT

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator

# How often a sound class is drawn among the negatives, where not once: what fires false alarms comes oftener.
_OFTENER = {
    "speech": 4.0, "children_playing": 2.0, "street_music": 4.0, "casual": 4.0, "fireworks": 2.0, "clap": 2.0,
    "knock": 2.0, "explosion": 0.7, "dog_bark": 1.5, "scream": 1.5, "jackhammer": 1.5, "drilling": 1.5,
}  # fmt: skip
_SWAP_SNR_DB = (3.0, 25.0)
_SYNTHETIC_SHOT, _SYNTHETIC_OTHER = "synthetic shot", "synthetic other"


@dataclass(frozen=True, slots=True)
class Scene:
    """One training example: sound, targets and mask per AUDIO_LABELS, 0/1 per fine class."""

    sound: Floats
    targets: Floats
    mask: Floats
    fine: Floats


class SceneMaker:
    """Draws scenes from the training clips.

    Half of them hold a shot (``shot_share``): of those most are typed (types alike, then recordings alike),
    the rest shots of unknown firearms and shots by formula; the others hold none.
    """

    def __init__(
        self, clips: Sequence[Clip], cache: SoundCache, config: AudioTrainConfig, length: int
    ) -> None:
        self._cache, self._config, self._length = cache, config, length
        self._channel = Channel(config.augment)
        usable = [clip for clip in clips if not (clip.shot and clip.flag == "yamnet_low")]
        self._typed = _tree([c for c in usable if c.types], lambda c: "/".join(c.types))
        self._untyped = _tree([c for c in usable if c.shot and not c.types], lambda c: c.source)
        self._others = _tree([c for c in usable if not c.shot], lambda c: c.fine)
        names = [*sorted({clip.fine for clip in usable}), _SYNTHETIC_SHOT, _SYNTHETIC_OTHER]
        self.fine_names = tuple(names)
        weights = np.array([_OFTENER.get(name, 1.0) for name in self._others])
        self._other_weights = weights / weights.sum()
        self._peaks: dict[str, npt.NDArray[np.int64]] = {}
        swaps = [clip for clip in usable if clip.types] if config.augment.background_swap else []
        found = [quiet_stretch(cache.sound(clip)) for clip in swaps]
        self._quiets = [stretch for stretch in found if stretch is not None]

    def draw(self, rng: Rng) -> Scene:
        """One scene."""
        shot = rng.random() < self._config.shot_share
        placed, targets, mask, fine = self._shot(rng) if shot else self._other(rng)
        if targets[:-1].any() and self._quiets and rng.random() < self._config.augment.background_swap:
            stretch = self._quiets[rng.integers(len(self._quiets))]
            placed = mix(placed, carpet(stretch, self._length, rng), rng.uniform(*_SWAP_SNR_DB))
        sound = placed.sound
        if rng.random() < self._config.augment.mix:
            background, names = self._background(rng)
            sound = mix(placed, background, rng.uniform(*self._config.augment.mix_snr_db)).sound
            fine = fine | names
        sound = self._channel(sound, rng)
        flags = np.array([name in fine for name in self.fine_names], np.float32)
        return Scene(sound, targets, mask, flags)

    def _shot(self, rng: Rng) -> tuple[Placed, Floats, Floats, set[str]]:
        chance = rng.random()
        if chance < self._config.synthetic_share:
            sound, onset = synthetic.burst_of_shots(rng, self._length)
            label = np.array([name == GUNSHOT for name in AUDIO_LABELS], np.float32)
            return Placed(sound, onset), label, label, {_SYNTHETIC_SHOT}
        typed = chance < self._config.synthetic_share + self._config.typed_share
        typed = bool(self._typed) and (typed or not self._untyped)  # a data set may have only one of the two
        clip = _pick(self._typed if typed else self._untyped, rng)
        sound = self._cache.sound(clip)
        peaks = self._peaks.get(clip.path)
        if peaks is None:
            peaks = self._peaks[clip.path] = shot_peaks(sound)
        placed = place(sound, int(rng.choice(peaks)), self._length, rng)
        return placed, clip.targets, clip.mask, {clip.fine, *clip.types}

    def _other(self, rng: Rng) -> tuple[Placed, Floats, Floats, set[str]]:
        nothing, known = np.zeros(len(AUDIO_LABELS), np.float32), np.ones(len(AUDIO_LABELS), np.float32)
        if rng.random() < self._config.disturbance_share:
            sound = synthetic.disturbances(rng, self._length)
            return Placed(sound, None), nothing, known, {_SYNTHETIC_OTHER}
        clip = _pick(self._others, rng, self._other_weights)
        impulse = None
        sound = self._negative(clip, rng)
        if rng.random() < 0.5:  # the loudest knock inside, as with shots
            impulse = int(rng.choice(shot_peaks(sound)))
        return place(sound, impulse, self._length, rng), nothing, known, {clip.fine}

    def _background(self, rng: Rng) -> tuple[Floats, set[str]]:
        chance = rng.random()
        if chance < 0.2:
            return synthetic.colored_noise(rng, self._length), set()
        if chance < 0.3:
            return synthetic.disturbances(rng, self._length), {_SYNTHETIC_OTHER}
        clip = _pick(self._others, rng, self._other_weights)
        return place(self._negative(clip, rng), None, self._length, rng, trim=0.0).sound, {clip.fine}

    def _negative(self, clip: Clip, rng: Rng) -> Floats:
        """At most 8 s of a clip: some last half a minute."""
        total, most = self._cache.pcm(clip).size, 8 * SAMPLE_RATE
        return self._cache.sound(clip, int(rng.integers(0, max(1, total - most + 1))), most)


_Tree = dict[str, dict[str, list[Clip]]]


def _tree(clips: Sequence[Clip], key: Callable[[Clip], str]) -> _Tree:
    tree: _Tree = defaultdict(lambda: defaultdict(list))
    for clip in clips:
        tree[key(clip)][clip.group].append(clip)
    return {name: dict(groups) for name, groups in sorted(tree.items())}


def _pick(tree: _Tree, rng: Rng, weights: npt.NDArray[np.float64] | None = None) -> Clip:
    """A class, then a recording (by the square root of its clips), then a clip."""
    names = list(tree)
    groups = list(tree[names[rng.choice(len(names), p=weights)]].values())
    sizes = np.sqrt([len(group) for group in groups])
    group = groups[rng.choice(len(groups), p=sizes / sizes.sum())]
    return group[rng.integers(len(group))]
