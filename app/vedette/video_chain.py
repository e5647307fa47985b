"""What each stage of the chain makes of a recording: detector, motion gate, tracker, confirmation, events.

The recording goes through the chain more than once at the same time: as it is shipped, and without what a
stage adds. So every stage is seen before and after, on the very same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vedette.detecting import Watcher
from vedette.pipeline import StopFlag
from vedette.sources import open_source
from vedette.stills import check_size
from vedette_base.config import FusionConfig, VerifierConfig, VisionConfig
from vedette_base.errors import MediaError, NoMediumError
from vedette_base.media import AudioBlock, Frame, Progress
from vedette_base.score import LEVELS, VISION_LABELS, WEAPONS, Segment, ThreatEvent, merge_segments
from vedette_fusion.events import Fuser
from vedette_vision.detector import WeaponDetector
from vedette_vision.tracker import sightings
from vedette_vision.verifier import ChipClassifier

DETECTOR = "detector, every picture"
GATE = "motion gate"
TRACKER = "tracker"
CONFIRMED = "three agreeing looks"
CLASSIFIER = "chip classifier"
EVENTS = "events"
ALERTS = "events, elevated and above"
ALERT_LEVEL = LEVELS.index("elevated")


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something raised at ``time`` that lasted until ``end``, seconds."""

    time: float
    end: float


@dataclass(frozen=True, slots=True)
class StageFinds:
    """What came out of one stage.

    Attributes:
        pictures: how many it looked at.
        boxes: time and number of weapons, of each picture with at least one; empty behind the tracker.
        alarms: what it raised; empty before the tracker, where every picture stands for itself.
    """

    pictures: int
    boxes: tuple[tuple[float, int], ...] = ()
    alarms: tuple[Alarm, ...] = ()


@dataclass(frozen=True, slots=True)
class Watched:
    """One recording.

    Attributes:
        name: as it was given.
        observed: spans that were seen, seconds.
        sampled: times of all sampled pictures. skipped: those that the motion gate left out.
        stages: name of the stage -> what came out of it, in the order of the chain.
        ungated: what was confirmed without the motion gate.
    """

    name: str
    observed: tuple[Segment, ...]
    sampled: int
    skipped: frozenset[float]
    stages: Mapping[str, StageFinds]
    ungated: tuple[Alarm, ...]


@dataclass(slots=True)
class _Line:
    """One way of a recording through the chain."""

    watcher: Watcher
    fuser: Fuser
    least: Mapping[str, float]
    looked: set[float] = field(default_factory=set)
    boxes: list[tuple[float, int]] = field(default_factory=list)
    tracks: dict[int, Alarm] = field(default_factory=dict)
    confirmed: dict[int, Alarm] = field(default_factory=dict)
    events: dict[str, ThreatEvent] = field(default_factory=dict)
    told: dict[tuple[str, int], float] = field(default_factory=dict)  # event and level -> when first

    def push(self, frame: Frame) -> tuple[Segment, ...]:
        """Take a picture; the spans it stands for, or nothing where it was not sampled."""
        self.watcher.seen = None
        observed: tuple[Segment, ...] = ()
        for block in self.watcher.push(frame):
            observed += block.observed
            for track in block.tracks:
                if track.label in WEAPONS:
                    _grow(self.tracks, track.id, frame.time)
                    if track.confirmed:
                        _grow(self.confirmed, track.id, frame.time)
            self._take(self.fuser.push(block), frame.time)
        if self.watcher.seen is not None:
            self.looked.add(frame.time)
            things = sightings(self.watcher.seen)
            count = sum(
                any(thing.chances[VISION_LABELS.index(name)] >= self.least[name] for name in WEAPONS)
                for thing in things
            )
            if count:
                self.boxes.append((frame.time, count))
        return observed

    def finish(self, time: float) -> None:
        """The recording has ended, ``time`` seconds from its start."""
        self._take(self.fuser.flush(), time)

    def raised(self, least_level: int) -> tuple[Alarm, ...]:
        """Events that stand at the end, each from when it was first told at this level."""
        return tuple(
            Alarm(self.told[event.id, least_level], max(self.told[event.id, least_level], event.end))
            for event in self.events.values()
            if event.state != "retracted" and LEVELS.index(event.level) >= least_level
        )

    def _take(self, events: Iterable[ThreatEvent], time: float) -> None:
        for event in events:
            self.events[event.id] = event
            for level in range(LEVELS.index(event.level) + 1):
                self.told.setdefault((event.id, level), time)


def _grow(alarms: dict[int, Alarm], number: int, time: float) -> None:
    alarms[number] = Alarm(alarms[number].time if number in alarms else time, time)


def watch_stages(
    path: Path,
    detector: WeaponDetector,
    config: VisionConfig,
    fusion: FusionConfig,
    classifier: ChipClassifier | None = None,
    *,
    on_progress: Callable[[float, float | None], None] = lambda done, of: None,
    stop: StopFlag | None = None,
) -> Watched:
    """Send a recording through the chain.

    Args:
        detector: made with the same ``config``.
        fusion: of picture alone.
        classifier: gives the second opinion that ``config.verifier`` asks for.
        on_progress: told seconds done and in all.
        stop: ends early when set; what was seen so far is given.

    Raises:
        MediaError: it cannot be read, or is a still.
    """
    check_size(path)
    plain = config.model_copy(update={"verifier": VerifierConfig(model=None)})
    still = config.motion.model_copy(update={"enabled": False})
    least = {name: detector.threshold(name) for name in WEAPONS}

    def line(settings: VisionConfig, second: ChipClassifier | None = None) -> _Line:
        watcher = Watcher(None, settings, detector=detector, classifier=second)
        return _Line(watcher, Fuser(fusion, seed="stages", media=("vision",)), least)

    every, gated = line(plain.model_copy(update={"motion": still})), line(plain)
    lines = [every, gated]
    if classifier is not None:
        lines.append(line(config, classifier))
    observed: list[Segment] = []
    count, time = 0, 0.0
    with open_source(path, media=("vision",), frames_per_second=config.frames_per_second) as source:
        for item in source:
            if stop is not None and stop.is_set():
                break
            if isinstance(item, AudioBlock | Progress):
                continue
            if item.still:
                raise MediaError(f"{path}: is a still picture", hint="vedette evaluate vision measures those")
            spans = [one.push(item) for one in lines]
            observed = [*merge_segments([*observed, *spans[0]], join=1e-3)]
            count += bool(spans[0])
            time = item.time
            on_progress(time, source.info.duration)
    if not count and stop is not None and stop.is_set():
        raise MediaError(f"{path}: stopped before its first picture")
    if not count:
        raise NoMediumError(f"{path}: holds no picture")
    for one in lines:
        one.finish(time)
    last = lines[-1]
    stages = {
        DETECTOR: StageFinds(len(every.looked), boxes=tuple(every.boxes)),
        GATE: StageFinds(len(gated.looked), boxes=tuple(gated.boxes)),
        TRACKER: StageFinds(len(gated.looked), alarms=tuple(gated.tracks.values())),
        CONFIRMED: StageFinds(len(gated.looked), alarms=tuple(gated.confirmed.values())),
    }
    if classifier is not None:
        stages[CLASSIFIER] = StageFinds(len(last.looked), alarms=tuple(last.confirmed.values()))
    stages[EVENTS] = StageFinds(len(last.looked), alarms=last.raised(0))
    stages[ALERTS] = StageFinds(len(last.looked), alarms=last.raised(ALERT_LEVEL))
    skipped = frozenset(every.looked - gated.looked)
    return Watched(str(path), tuple(observed), count, skipped, stages, tuple(every.confirmed.values()))
