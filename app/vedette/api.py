"""The Python API for recorded footage: `analyze` for one, `Analyzer` for many with the same models."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vedette.analysis import Analysis
from vedette.pipeline import StopFlag, watch
from vedette.recording import RecordingOptions, recording_hash
from vedette.side_by_side import Scorer
from vedette.sources import open_source
from vedette_audio.scorer import AudioScorer
from vedette_base.bundle import Bundle, load_bundle
from vedette_base.config import AudioConfig, FusionConfig, VisionConfig
from vedette_base.engine import Backend, processors
from vedette_base.errors import InputError
from vedette_base.score import (
    AUDIO_LABELS,
    GUNSHOT,
    VISION_LABELS,
    Box,
    Coverage,
    Medium,
    Score,
    ScoreBlock,
    Segment,
    Shot,
    ThreatEvent,
    WeaponTrack,
    merge_segments,
)
from vedette_fusion.events import Fuser, rank_events
from vedette_vision.scorer import VisionScorer

Sensitivity = Literal["low", "normal", "high"]
Senses = Literal["both", "audio", "vision"]
OnProgress = Callable[[float, float | None], None]
"""Called with (seconds done, seconds in all or None) as an analysis goes on."""

# Spans of sound less than this far apart are one span of coverage: blocks end a sample early or late.
COVERAGE_JOIN = 0.05  # s
# A picture is scored by itself: joining so many makes the timeline of hours a fifth of the size.
JOINED = 512


@dataclass(slots=True)
class _Timelines:
    """Collects what the scorers say while the pipeline runs."""

    scores: dict[Medium, list[Score]] = field(default_factory=lambda: {"audio": [], "vision": []})
    newest: dict[Medium, list[Score]] = field(default_factory=lambda: {"audio": [], "vision": []})
    observed: dict[Medium, list[Segment]] = field(default_factory=lambda: {"audio": [], "vision": []})
    shots: list[Shot] = field(default_factory=list)
    tracks: dict[int, WeaponTrack] = field(default_factory=dict)
    looks: dict[int, list[tuple[float, Box]]] = field(default_factory=dict)

    def add(self, block: ScoreBlock) -> None:
        if len(block.scores):
            newest = self.newest[block.medium]
            newest.append(block.scores)
            if len(newest) == JOINED:
                self.scores[block.medium].append(Score.join(newest))
                newest.clear()
        spans = self.observed[block.medium]
        for span in block.observed:
            if spans and span.start - spans[-1].end <= COVERAGE_JOIN and span.start >= spans[-1].start:
                spans[-1] = Segment(spans[-1].start, max(spans[-1].end, span.end))
            else:
                spans.append(span)
        self.shots.extend(block.shots)
        for track in block.tracks:
            if not track.confirmed and track.id not in self.tracks:
                continue  # most never become anything, and there may be thousands in a long recording
            self.tracks[track.id] = track
            if track.box is not None:
                self.looks.setdefault(track.id, []).append((track.end, track.box))

    def timeline(self, medium: Medium, labels: tuple[str, ...]) -> Score:
        return Score.join([*self.scores[medium], *self.newest[medium]], labels)

    def coverage(self, end: float) -> Coverage:
        """What was observed, up to ``end``: a picture stands for a moment, the last one may outlast it."""
        spans = {
            medium: [Segment(s.start, min(s.end, end)) for s in found if s.start <= end]
            for medium, found in self.observed.items()
        }
        return Coverage(
            merge_segments(spans["audio"], join=COVERAGE_JOIN),
            merge_segments(spans["vision"], join=COVERAGE_JOIN),
        )


class Analyzer:
    """Models loaded once, used for any number of recordings, one after the other.

    Args:
        models: bundle folders or names that replace the shipped ones; their card says for which sense.
        audio, vision, fusion: configurations; None takes the shipped defaults.
        sensitivity: ``low`` (fewer false alarms), ``normal`` or ``high`` (fewer misses).
        senses: which senses to use.
        backend: ``auto``, ``openvino`` or ``torch``.
        threads: processor threads for each model; None leaves room for decoding and for the other sense.

    Raises:
        BundleError: a model is missing, damaged, or not one for sound or picture.
        InputError: an unknown sensitivity or sense.
    """

    def __init__(
        self,
        *,
        models: tuple[str | Path, ...] = (),
        audio: AudioConfig | None = None,
        vision: VisionConfig | None = None,
        fusion: FusionConfig | None = None,
        sensitivity: Sensitivity = "normal",
        senses: Senses = "both",
        backend: Backend = "auto",
        threads: int | None = None,
    ) -> None:
        if senses not in ("both", "audio", "vision"):
            raise InputError(f"senses must be both, audio or vision, got {senses!r}")
        self.bundles = _bundles(models, senses)
        self.audio_config = audio or AudioConfig()
        self.vision_config = vision or VisionConfig()
        fusion = (fusion or FusionConfig()).with_sensitivity(sensitivity)
        self.fusion_config = _with_base_rates(fusion, self.bundles)
        self._backend: Backend = backend
        if threads is None and senses == "both":
            threads = max(1, processors() // 2)
        self._threads = threads
        self._audio: AudioScorer | None = None
        self._vision: VisionScorer | None = None

    @property
    def models(self) -> dict[str, str]:
        """Sense -> name and version of what scores it, for reports."""
        named: dict[str, str] = {s: f"{b.card.name} {b.card.version}" for s, b in self.bundles.items()}
        return named | {"fusion": f"first {self.fingerprint[:8]}"}

    @property
    def fingerprint(self) -> str:
        """Hash of models and configurations: with the recording's hash it decides every event id."""
        # The whole card, which names the hashes of the weights: its calibration decides as much as they do.
        parts = [bundle.card.model_dump(mode="json") for _, bundle in sorted(self.bundles.items())]
        parts += [
            c.model_dump(mode="json") for c in (self.audio_config, self.vision_config, self.fusion_config)
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def run(
        self,
        path: str | Path,
        options: RecordingOptions | None = None,
        *,
        on_progress: OnProgress | None = None,
        stop: StopFlag | None = None,
    ) -> Analysis:
        """Analyse one recording from its beginning to its end.

        Args:
            path: anything FFmpeg opens, or a still picture.
            options: part, track, separate sound and clock of the recording.
            on_progress: told how far it has come, at most once per item.
            stop: set it from elsewhere to end early; the result then says ``complete=False``.

        Raises:
            MediaError: the recording cannot be read.
        """
        began = time.monotonic()
        options = options or RecordingOptions()
        path = Path(path)
        source = open_source(  # before the hash is taken: what is no recording is refused at once
            path,
            start=options.start,
            end=options.end,
            recorded_at=options.recorded_at.isoformat() if options.recorded_at else None,
            frames_per_second=self.vision_config.frames_per_second,
            media=tuple(self.bundles),
            **options.reading(),
        )
        seen = _Timelines()
        last: dict[str, ThreatEvent] = {}
        reached = 0.0

        def on_block(block: ScoreBlock) -> None:
            nonlocal reached
            seen.add(block)
            reached = max(reached, block.until)
            if on_progress is not None:
                on_progress(block.until, source.info.duration)

        try:
            sha256 = recording_hash(options.files(path))
            scorers = self._fresh_scorers()
            fuser = Fuser(self.fusion_config, seed=f"{sha256}:{self.fingerprint}", media=tuple(scorers))
            for event in watch(source, scorers, fuser, on_block=on_block, stop=stop):
                last[event.id] = event
        finally:
            source.close()
        tracks = tuple(t for t in seen.tracks.values() if t.confirmed and t.label != "no_weapon")
        return Analysis(
            source=source.info,
            path=path,
            sha256=sha256,
            models=self.models,
            complete=stop is None or not stop.is_set(),
            events=tuple(rank_events(last.values())),
            shots=tuple(sorted(seen.shots, key=lambda shot: shot.time)),
            tracks=tracks,
            looks={track.id: tuple(seen.looks.get(track.id, ())) for track in tracks},
            coverage=seen.coverage(max(reached, source.info.duration or 0.0)),
            audio_scores=seen.timeline("audio", AUDIO_LABELS),
            vision_scores=seen.timeline("vision", VISION_LABELS),
            warnings=source.warnings,
            elapsed=time.monotonic() - began,
            duration=source.info.duration if source.info.duration is not None else reached,
        )

    @property
    def senses(self) -> Senses:
        """Which senses have a model."""
        if len(self.bundles) == 2:
            return "both"
        return "audio" if "audio" in self.bundles else "vision"

    def _fresh_scorers(self) -> dict[Medium, Scorer]:
        """Scorers in their first state; the networks behind them are loaded once and kept."""
        fresh: dict[Medium, Scorer] = {}
        if "audio" in self.bundles:
            self._audio = self._audio or AudioScorer(
                self.bundles["audio"], self.audio_config, backend=self._backend, threads=self._threads
            )
            fresh["audio"] = self._audio.fresh()
        if "vision" in self.bundles:
            self._vision = self._vision or VisionScorer(
                self.bundles["vision"], self.vision_config, backend=self._backend, threads=self._threads
            )
            fresh["vision"] = self._vision.fresh()
        return fresh


def analyze(
    path: str | Path,
    options: RecordingOptions | None = None,
    *,
    models: tuple[str | Path, ...] = (),
    sensitivity: Sensitivity = "normal",
    senses: Senses = "both",
    on_progress: OnProgress | None = None,
) -> Analysis:
    """Analyse one recording with the shipped models (or ``models``) and the default configuration.

    Returns:
        An `Analysis`: ``.events`` ranked, gravest first, ``.shots``, ``.tracks``, ``.coverage``,
        ``.audio_scores`` and ``.vision_scores``.

    Raises:
        MediaError: the recording cannot be read.
        BundleError: a model is missing or damaged.

    For many recordings make one `Analyzer` and call its ``run``: it loads the models once.
    """
    analyzer = Analyzer(models=models, sensitivity=sensitivity, senses=senses)
    return analyzer.run(path, options, on_progress=on_progress)


def _bundles(models: tuple[str | Path, ...], senses: Senses) -> dict[Medium, Bundle]:
    """The bundle of each wanted sense: the given one, else the shipped one."""
    given: dict[str, Bundle] = {}
    for model in models:
        bundle = load_bundle(model)
        if bundle.card.task not in ("audio", "vision"):
            raise InputError(f"model {model} is for {bundle.card.task}, not for sound or picture")
        if bundle.card.task in given:
            raise InputError(
                f"two models given for {bundle.card.task}: {given[bundle.card.task].folder} and {model}"
            )
        given[bundle.card.task] = bundle
    wanted: tuple[Medium, ...] = ("audio", "vision") if senses == "both" else (senses,)
    return {medium: given.get(medium) or load_bundle(medium) for medium in wanted}


def _with_base_rates(config: FusionConfig, bundles: dict[Medium, Bundle]) -> FusionConfig:
    """The share of positives each sense was calibrated on, out of its card: evidence is measured from it."""
    update: dict[str, object] = {}
    if "audio" in bundles:
        update["audio_base_rate"] = bundles["audio"].card.calibration[GUNSHOT].base_rate
    if "vision" in bundles:
        rates = bundles["vision"].card.calibration
        update["vision_base_rates"] = {
            label: rates[label].base_rate for label in VISION_LABELS if label in rates
        }
    return config.model_copy(update=update)
