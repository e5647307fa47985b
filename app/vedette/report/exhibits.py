"""Draws the evidence of an event: frames with boxes, the closer look, the spectrogram, the playable clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import cv2
import numpy as np

from vedette.report.evidence import Evidence, Sound, Still
from vedette.report.lanes import tick_step
from vedette.report.spectrogram import data_uri, height_of, levels, png, waveform
from vedette.report.wording import clock, label_words, length, percent
from vedette_base.errors import VedetteError
from vedette_base.media import Pixels
from vedette_base.score import Box, Segment, ThreatEvent, WeaponTrack

STILL_WIDTH = 960  # pixels of a still's longer side in the page; the closer look is cut from the full size
CLOSER_FROM = 0.02  # a box under this share of the picture's area is shown enlarged as well
STILLS = 2  # per event
AROUND = 0.5  # s; a best look this close to an event shows the event
SAME_LOOK = 0.05  # s; tracks whose best looks lie this close share a still
SOUND_BEFORE, SOUND_AFTER, SOUND_LONGEST = 1.0, 1.5, 12.0  # s around the shots in a spectrogram
CLIP_MARGIN, CLIP_LONGEST = 3.0, 30.0  # s
CLIPS = "clips"  # folder beside the page
EMBED_CLIP, EMBED_ALL = 4_000_000, 40_000_000  # bytes; larger clips are written beside the page


Looks = Mapping[int, Sequence[tuple[float, Box]]]


@dataclass(slots=True)
class ClipStore:
    """Decides which clips go into the page and which beside it.

    Attributes:
        folder: where the page will lie.
        embedded: bytes put into the page so far.
    """

    folder: Path
    embedded: int = 0

    def target(self, event: ThreatEvent) -> Path:
        """Where a clip is to be written first."""
        clips = self.folder / CLIPS
        clips.mkdir(exist_ok=True)
        return clips / f"event-{event.rank:02d}.mp4"

    def place(self, clip: Path, kind: str) -> str:
        """The address of a written clip for the page; the file goes when its content is in the page."""
        size = clip.stat().st_size
        if size > EMBED_CLIP or self.embedded + size > EMBED_ALL:
            return f"{CLIPS}/{clip.name}"
        self.embedded += size
        content = clip.read_bytes()
        clip.unlink()
        self.tidy()
        return data_uri(kind, content)

    def tidy(self) -> None:
        """Leave no empty folder behind."""
        clips = self.folder / CLIPS
        if clips.is_dir() and not any(clips.iterdir()):
            clips.rmdir()


def stills(event: ThreatEvent, evidence: Evidence, looks: Looks) -> str:
    """The frame at the first shot and the frames that show the weapons best, with boxes, two at most."""
    figures = []
    for time, tracks in _moments(event)[:STILLS]:
        still = evidence.still(time)
        if still is not None:
            figures.append(_still_figure(still, _boxes(still.time, tracks or event.tracks, looks), event))
    return "".join(figures)


def sound(event: ThreatEvent, evidence: Evidence) -> str:
    """The spectrogram around the shots, with the waveform below it."""
    span = sound_span(event)
    heard = evidence.sound(span)
    if heard is None:
        return '<p class="quiet">There is no sound around this event.</p>'
    if not np.any(heard.samples):
        return '<p class="quiet">The sound around this event is digital silence.</p>'
    return _sound_figure(heard, event)


def clip(event: ThreatEvent, evidence: Evidence, store: ClipStore) -> str:
    """A player for the seconds around the event."""
    target = store.target(event)
    try:
        span = evidence.clip(clip_span(event), target)
    except VedetteError:
        target.unlink(missing_ok=True)
        raise
    finally:
        store.tidy()
    if span is None:
        return ""
    tag = "video" if evidence.has_picture else "audio"
    address = store.place(target, f"{tag}/mp4")
    cut = " of its first part" if span.end < event.end else ""
    note = f"Clip{cut}, {clock(span.start)} to {clock(span.end)}; re-encoded, not the original data."
    return (
        f'<figure class="clip"><{tag} controls preload="metadata" playsinline src="{escape(address)}" '
        f'data-start="{span.start:.3f}"></{tag}><figcaption>{note}</figcaption></figure>'
    )


def sound_span(event: ThreatEvent) -> Segment:
    """Which seconds the spectrogram shows: around the shots, or around the best look where none was heard."""
    if event.shots:
        first, last = event.shots[0].time, event.shots[-1].time
        end = min(last + SOUND_AFTER, first - SOUND_BEFORE + SOUND_LONGEST)
        return Segment(first - SOUND_BEFORE, end)
    if event.end - event.start + SOUND_BEFORE + SOUND_AFTER <= SOUND_LONGEST or not event.tracks:
        start = event.start - SOUND_BEFORE
        return Segment(start, min(event.end + SOUND_AFTER, start + SOUND_LONGEST))
    peak = max(event.tracks, key=lambda t: t.probability).peak_time
    return Segment(peak - SOUND_LONGEST / 2, peak + SOUND_LONGEST / 2)


def clip_span(event: ThreatEvent) -> Segment:
    """Which seconds the clip shows: the event with some before and after, the first half minute at most."""
    start = event.start - CLIP_MARGIN
    return Segment(start, min(event.end + CLIP_MARGIN, start + CLIP_LONGEST))


def _moments(event: ThreatEvent) -> list[tuple[float, list[WeaponTrack]]]:
    """Times worth a still, each with the tracks whose best look it is.

    A weapon's best look may lie far from the shot that it supports: then the moment of the shot comes first.
    """
    moments: list[tuple[float, list[WeaponTrack]]] = []
    for track in sorted(event.tracks, key=lambda t: -t.probability):
        same = next((moment for moment in moments if abs(moment[0] - track.peak_time) <= SAME_LOOK), None)
        if same is not None:
            same[1].append(track)
        else:
            moments.append((track.peak_time, [track]))
    if event.shots and not any(_within(event, time) for time, _ in moments[:1]):
        moments.insert(0, (event.shots[0].time, []))
    return moments


def _within(event: ThreatEvent, time: float) -> bool:
    return event.start - AROUND <= time <= event.end + AROUND


def _boxes(time: float, tracks: Sequence[WeaponTrack], looks: Looks) -> list[tuple[WeaponTrack, Box]]:
    """Where each weapon was at ``time``, of those that were looked at in that very frame."""
    found = []
    for track in tracks:
        seen = [(track.peak_time, track.peak_box), *looks.get(track.id, ())]
        at, box = min(seen, key=lambda look: abs(look[0] - time))
        if abs(at - time) <= SAME_LOOK:
            found.append((track, box))
    return found


def _still_figure(still: Still, boxes: list[tuple[WeaponTrack, Box]], event: ThreatEvent) -> str:
    height, width = still.pixels.shape[:2]
    drawn = "".join(_box(track, box, width, height) for track, box in boxes)
    closer = "".join(_closer(still.pixels, t, box) for t, box in boxes if _is_small(box, width, height))
    said = ", ".join(f"{label_words(t.label)} {percent(t.probability)}" for t, _ in boxes)
    name = "Frame"
    if not boxes:
        followed = [t for t in event.tracks if t.start <= still.time <= t.end]
        said = "at the first shot" if event.shots else "at the event"
        said += (
            f"; the {label_words(followed[0].label)} was followed here, its place in this frame was not kept"
            if followed
            else "; no weapon was recognised in this frame"
        )
    elif not _within(event, still.time):
        distance = min(abs(still.time - event.start), abs(still.time - event.end))
        name = f"Best look, {length(distance)} {'before' if still.time < event.start else 'after'} the event,"
    caption = f"{name} {clock(still.time, decimals=2)}: {said}."
    if closer:
        caption += " Enlarged from the full-size frame."
    return (
        f'<figure class="still"><div class="looks"><div class="frame">'
        f'<img alt="{escape(caption)}" width="{width}" '
        f'height="{height}" src="{_jpeg(_shrunk(still.pixels))}">{drawn}</div>{closer}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _box(track: WeaponTrack, box: Box, width: int, height: int) -> str:
    """A box laid over the picture, so that the picture itself stays as it was recorded."""
    x1, y1, x2, y2 = box
    place = (
        f"left:{x1 / width * 100:.3f}%;top:{y1 / height * 100:.3f}%;"
        f"width:{(x2 - x1) / width * 100:.3f}%;height:{(y2 - y1) / height * 100:.3f}%"
    )
    side = (" below" if y1 < height * 0.08 else "") + (" right" if x1 > width * 0.7 else "")
    return (
        f'<div class="box" style="{place}"><b class="tag{side}">{escape(label_words(track.label))} '
        f"{percent(track.probability)}</b></div>"
    )


def _is_small(box: Box, width: int, height: int) -> bool:
    x1, y1, x2, y2 = box
    return (x2 - x1) * (y2 - y1) < CLOSER_FROM * width * height


def _closer(pixels: Pixels, track: WeaponTrack, box: Box) -> str:
    """A small weapon with its surroundings, enlarged without smoothing it into something else."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    half = max(x2 - x1, y2 - y1, 24.0) * 1.5
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    left, right = int(max(0, x - half)), int(min(width, x + half))
    top, bottom = int(max(0, y - half)), int(min(height, y + half))
    cut = pixels[top:bottom, left:right]
    if cut.size == 0:
        return ""
    scale = min(8.0, 260 / max(cut.shape[:2]))
    if scale > 1:
        cut = _resized(cut, scale, cv2.INTER_CUBIC)
    return (
        f'<img class="closer" alt="closer look at the {escape(label_words(track.label))}" '
        f'width="{cut.shape[1]}" height="{cut.shape[0]}" src="{_jpeg(cut)}">'
    )


def _shrunk(pixels: Pixels) -> Pixels:
    scale = STILL_WIDTH / max(pixels.shape[:2])
    return pixels if scale >= 1 else _resized(pixels, scale, cv2.INTER_AREA)


def _resized(pixels: Pixels, scale: float, method: int) -> Pixels:
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))  # a 1000x1 picture stays one
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)


def _jpeg(pixels: Pixels) -> str:
    _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return data_uri("image/jpeg", content.tobytes())


def _sound_figure(heard: Sound, event: ThreatEvent) -> str:
    span = heard.span
    picture = data_uri("image/png", png(levels(heard.samples, 640, 128)))
    shots = "".join(
        f'<i class="shot" style="left:{(shot.time - span.start) / span.duration * 100:.3f}%" '
        f'title="shot at {clock(shot.time, decimals=2)}"></i>'
        for shot in event.shots
        if span.start <= shot.time <= span.end
    )
    rows = "".join(
        f'<span class="hz" style="top:{height_of(hertz) * 100:.1f}%">{name}</span>'
        for hertz, name in ((100, "100 Hz"), (1000, "1 kHz"), (8000, "8 kHz"))
    )
    caption = f"Sound from {clock(span.start)}, {length(span.duration)}"
    if event.shots:
        caption += f"; {len(event.shots)} shot{'s' if len(event.shots) > 1 else ''} marked"
    if event.shots and event.shots[-1].time > span.end:
        caption += ", as far as they fit"
    return (
        f'<figure class="sound" data-start="{span.start:.3f}" data-end="{span.end:.3f}">'
        f'<div class="spectrogram"><img alt="spectrogram, 50 Hz to 16 kHz" width="640" height="128" '
        f'src="{picture}">{rows}{shots}<i class="playhead" hidden></i></div>{_wave(heard)}'
        f'<div class="ticks" aria-hidden="true">{_ticks(span)}</div>'
        f"<figcaption>{caption}.</figcaption></figure>"
    )


def _wave(heard: Sound) -> str:
    columns = 320
    shape = waveform(heard.samples, columns)
    top = "L".join(f"{i} {30 - high * 29:.1f}" for i, (_, high) in enumerate(shape))
    bottom = "L".join(f"{columns - 1 - i} {30 - low * 29:.1f}" for i, (low, _) in enumerate(shape[::-1]))
    return (
        f'<svg class="wave" viewBox="0 0 {columns - 1} 60" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M{top}L{bottom}Z"/></svg>'
    )


def _ticks(span: Segment) -> str:
    step = tick_step(span.duration, ticks=5)
    first = int(np.ceil(span.start / step))
    last = int(np.floor(span.end / step))
    return "".join(
        f'<span style="left:{(i * step - span.start) / span.duration * 100:.2f}%">'
        f"{clock(i * step, decimals=int(step < 1))}</span>"
        for i in range(first, last + 1)
    )
