"""``AudioScorer``: blocks of sound in, calibrated scores and shots out, exact whatever the blocks.

Windows of ``config.window`` seconds start every ``config.hop`` seconds from the first sample of a run (see
``runs``) and share one mel spectrogram. A score's time is the centre of what its window heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from vedette_audio import gate
from vedette_audio import shots as onsets
from vedette_audio.closer import agreed, hear_onsets
from vedette_audio.features import MELS, frames_in, to_picture
from vedette_audio.runs import Ended, Heard, Runs
from vedette_audio.windows import Run, Window
from vedette_base.bundle import Bundle, Card
from vedette_base.calibration import logistic
from vedette_base.config import AudioConfig
from vedette_base.engine import Backend, Engine, open_engine
from vedette_base.errors import BundleError
from vedette_base.media import SAMPLE_RATE, AudioBlock, MediaItem, Progress
from vedette_base.score import AUDIO_LABELS, GUNSHOT, Score, ScoreBlock, Segment, Shot

Floats = npt.NDArray[np.float32]
_SHORTEST = 0.02
"""Seconds of sound between two silences that are worth hearing; less (a single spike) was not observed."""
TOGETHER = 4
"""Windows that the network takes at once: one size, because a network compiled for any size takes a quarter
longer, and the gate leaves batches of all sizes."""
_CONTEXT = 0.25
"""Seconds a shot must lie inside a window for that window to speak for it."""


class AudioScorer:
    """Hears gunshots in a stream of blocks.

    Args:
        bundle: a sound model; its card must name AUDIO_LABELS and this front end.
        config: windows, thresholds, what counts as silence.
        backend: see ``open_engine``.
        threads: processor threads; None leaves it to the engine.
        engine: another engine to ask instead of the bundle's (tests; an engine already open).
    """

    def __init__(
        self,
        bundle: Bundle,
        config: AudioConfig,
        *,
        backend: Backend = "auto",
        threads: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        check_card(bundle.card)
        self._bundle = bundle
        self._card, self._config = bundle.card, config
        shape = (min(TOGETHER, config.batch), 1, MELS, frames_in(round(config.window * SAMPLE_RATE)))
        self._engine = engine or open_engine(
            bundle, shape=shape, backend=backend, network=torch_network(bundle.card), threads=threads
        )
        self.reset()

    def reset(self) -> None:
        """Forget all sound heard so far; the next block may carry any time."""
        silence = 10 ** (self._config.silence_dbfs / 20)
        self._runs = Runs(silence, round(self._config.silence_span * SAMPLE_RATE))
        self._run: Run | None = None
        self._waiting: list[Window] = []
        self._until = 0.0
        self._last_shot: float | None = None
        self._burst = -1

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        return self._engine

    def fresh(self) -> AudioScorer:
        """A scorer in its first state on the same loaded network."""
        return AudioScorer(self._bundle, self._config, engine=self._engine)

    def push(self, item: MediaItem) -> Iterator[ScoreBlock]:
        """Take the next block of sound, or news that there is none up to a time."""
        if isinstance(item, AudioBlock):
            for part in self._runs.push(item):
                yield from self._hear(part)
            if self._run is None and self._runs.time > self._until:
                yield self._block(self._runs.time, (), (), ())  # silence so far
        elif isinstance(item, Progress) and item.medium == "audio":
            yield from self.flush()
            if item.time > self._until:
                yield self._block(item.time, (), (), ())

    def flush(self) -> Iterator[ScoreBlock]:
        """The sound is over: what was held back."""
        for part in self._runs.end():
            yield from self._hear(part)

    def _hear(self, part: Heard | Ended) -> Iterator[ScoreBlock]:
        if isinstance(part, Ended):
            if self._run is not None and self._run.duration >= _SHORTEST:
                self._waiting += self._run.finish()
                yield self._score(self._run, over=True)
            self._run = None
            return
        if self._run is None:
            self._run = Run(part.start or 0.0, self._config.window, self._config.hop)
        self._waiting += self._run.add(part.samples)
        while len(self._waiting) >= self._config.batch:
            yield self._score(self._run, over=False)

    def _score(self, run: Run, *, over: bool) -> ScoreBlock:
        """Ask the network about the next batch (all that wait, when the run is over)."""
        size = self._config.batch
        windows = self._waiting if over else self._waiting[:size]
        self._waiting = [] if over else self._waiting[size:]
        for first in range(0, len(windows), size):
            self._listen(windows[first : first + size])
        begin, shots = run.decided, list[Shot]()
        for window in windows:  # one after the other: the size of a batch must not change a shot
            run.scored.append(window)
            shots += self._decide(run, window.start + self._config.hop + self._next_centre(), window.end)
        if over:
            shots += self._decide(run, run.duration, run.duration)
        observed = (Segment(run.start + begin, run.start + run.decided),) if run.decided > begin else ()
        return self._block(run.start + run.decided, windows, shots, observed)

    def _listen(self, windows: Sequence[Window]) -> None:
        """Give each window its scores: from the network, or low ones where the gate sees no impulse."""
        log_mels = np.stack([window.log_mels for window in windows])
        table = np.zeros((len(windows), len(AUDIO_LABELS)), np.float32)
        table[:, -1] = gate.SKIPPED
        chosen = np.ones(len(windows), np.bool_)
        if self._config.gate and log_mels.shape[2] == gate.FRAMES:
            chosen = gate.shipped_gate().may_hold_shot(log_mels)
        if chosen.any():
            logits = self._engine.run(to_picture(log_mels[chosen])[:, None])[0]
            table[chosen] = calibrated(self._card, logistic(logits))
        for window, scores in zip(windows, table, strict=True):
            window.scores, window.log_mels = scores, np.empty((MELS, 0), np.float32)

    def _decide(self, run: Run, end: float, heard: float) -> list[Shot]:
        """Shots up to ``end`` by the windows so far and the sound up to ``heard`` (seconds of the run)."""
        end = min(end, heard)
        shots = self._shots(run, run.decided, end, heard) if end > run.decided else []
        run.decided = max(run.decided, end)
        while run.scored and run.scored[0].end < end - self._config.window:
            run.scored.popleft()
        return shots

    def _next_centre(self) -> float:
        """No later window is centred earlier than so long after its start, the padded last one included."""
        return (self._config.window - self._config.hop) / 2

    def _block(
        self,
        until: float,
        windows: Sequence[Window],
        shots: Sequence[Shot],
        observed: tuple[Segment, ...],
    ) -> ScoreBlock:
        scores = Score.empty(AUDIO_LABELS)
        if windows and self._run is not None:
            table = np.stack([window.scores for window in windows])
            table[:, :-1] *= table[:, -1:]  # P(shot of this type) = P(type | shot) P(shot)
            times = np.array([self._run.start + (window.start + window.end) / 2 for window in windows])
            marks = np.array([window.quality for window in windows], np.float32)
            scores = Score(times, table, AUDIO_LABELS, marks)
        self._until = max(self._until, until)
        return ScoreBlock("audio", self._until, scores, tuple(shots), (), observed)

    def _shots(self, run: Run, begin: float, end: float, heard: float) -> list[Shot]:
        """Onsets from ``begin`` to ``end`` (seconds of the run) that are shots.

        A window around the onset must say that a shot is near, and the network that it is this very blast.
        """
        config = self._config
        if not any(window.scores[-1] >= self._threshold(run.start + begin) for window in run.scored):
            return []
        sound, grid = run.sound(begin - onsets.BEFORE / 1000, min(end + onsets.AFTER / 1000, heard))
        first, last = round(begin * 1000) - grid, round(end * 1000) - grid
        near: list[tuple[int, Floats, float]] = []
        for step in onsets.find_onsets(sound, first, last, round(config.refractory * 1000)):
            time = (grid + int(step)) / 1000
            around = [w for w in run.scored if w.start + _CONTEXT <= time <= w.end - _CONTEXT]
            around = around or [w for w in run.scored if w.start <= time <= w.end]
            if not around:
                continue
            best = max(float(window.scores[-1]) for window in around)
            if best >= config.follow_threshold:
                near.append((int(step), np.median([window.scores for window in around], axis=0), best))
        if not near:
            return []
        alone = hear_onsets(sound, [step for step, _, _ in near], config.window, self._ask, config.batch)
        found: list[Shot] = []
        for (step, scores, best), by_itself in zip(near, alone, strict=True):
            time = run.start + (grid + step) / 1000
            limit = self._threshold(time)
            if best >= limit and by_itself[-1] >= config.alone_threshold * limit / config.threshold:
                found.append(self._shot(time, agreed(scores, by_itself)))
        return found

    def _ask(self, pictures: Floats) -> Floats:
        return calibrated(self._card, logistic(self._engine.run(pictures)[0]))

    def _threshold(self, time: float) -> float:
        """Probability from which a blast at ``time`` is a shot: lower soon after another one."""
        config = self._config
        follows = self._last_shot is not None and time - self._last_shot <= config.follow
        return config.follow_threshold if follows else config.threshold

    def _shot(self, time: float, scores: Floats) -> Shot:
        if self._last_shot is None or time - self._last_shot > self._config.burst_gap:
            self._burst += 1
        self._last_shot = time
        types = {label: float(p) for label, p in zip(AUDIO_LABELS[:-1], scores[:-1], strict=True)}
        return Shot(time, float(scores[-1]), types, self._burst)


def calibrated(card: Card, raw: npt.ArrayLike) -> Floats:
    """Calibrated P(type | shot) and P(shot) of raw probabilities ``(n, labels)``."""
    table = np.asarray(raw, np.float32)
    if not np.all(np.isfinite(table)):
        raise BundleError(f"model {card.name!r} gives values that are not finite", hint="export it again")
    columns = [
        card.calibration[label].apply(table[:, i]) if label in card.calibration else table[:, i]
        for i, label in enumerate(AUDIO_LABELS)
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def check_card(card: Card) -> None:
    """Refuse a bundle that is not a sound model of these labels. Raises BundleError."""
    if card.task != "audio" or card.labels != AUDIO_LABELS:
        raise BundleError(
            f"bundle {card.name!r} is no sound model with the labels {AUDIO_LABELS[0]} to {GUNSHOT}",
            hint="give a bundle made by 'vedette train audio'",
        )
    expected = input_card()
    different = [key for key, value in expected.items() if card.input.get(key, value) != value]
    if different:
        key = different[0]
        raise BundleError(
            f"bundle {card.name!r} wants {key} = {card.input[key]}, this version makes {expected[key]}"
        )


def input_card() -> dict[str, float | int | str]:
    """The front end as a card's ``input`` names it."""
    from vedette_audio import features as f

    return {
        "sample_rate": SAMPLE_RATE, "n_fft": f.N_FFT, "hop": f.HOP, "mels": f.MELS, "f_min": f.F_MIN,
        "f_max": f.F_MAX, "floor": f.FLOOR, "offset": f.PICTURE_OFFSET, "scale": f.PICTURE_SCALE,
        "output": "logits",
    }  # fmt: skip


def torch_network(card: Card) -> Callable[[Card], object]:
    """Builds the card's network in torch, norms folded; torch is imported only when it is called."""

    def build(wanted: Card) -> object:
        from vedette_audio.network import folded_network

        if wanted.architecture.startswith("mn04"):
            from vedette_audio.second import empty

            return empty(wanted.architecture)
        pooling = str(card.input.get("pooling", "avg"))
        return folded_network(wanted.architecture, outputs=len(card.labels), pooling=pooling)

    return build
