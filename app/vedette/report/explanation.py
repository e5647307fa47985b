"""The picture of an explanation: what a window sounded like, and beside it what spoke for the label."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vedette.report.spectrogram import palette
from vedette_audio.explain import SHOT_AFTER, SHOT_BEFORE, Explanation, Look
from vedette_audio.features import HOP, mel_hertz
from vedette_base.media import SAMPLE_RATE, Pixels

ACROSS, DOWN = 3, 3  # pixels per mel frame and band
STRIP = 54  # pixels: evidence over time
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 62, 16, 58, 44, 12
_RANGE = 9.0  # natural-log power shown below the loudest cell: 39 dB, the noise behind it just visible
_TICKS = (100, 250, 500, 1000, 2000, 4000, 8000, 15_000)  # Hz
_INK, _FAINT, _PAPER = (40, 40, 40), (150, 150, 150), (255, 255, 255)  # BGR
_ONSET, _HEAT = (30, 140, 20), (20, 90, 250)
_STRONGEST = 0.8  # opacity of the strongest evidence: the sound below it stays visible
_FULL = 0.998  # quantile of the evidence that is drawn as strongest; single cells must not fade the rest


def picture(explanation: Explanation, name: str) -> Pixels:
    """All windows of an explanation under one another, BGR; ``name`` is that of the clip."""
    panels = [_window(explanation, look) for look in explanation.windows]
    head = np.full((34, panels[0].shape[1], 3), 255, np.uint8)
    clip = "".join(c if " " <= c <= "~" else "?" for c in name)  # what OpenCV's letters can show
    _say(head, f"{clip}   evidence for: {explanation.label}", (10, 24), 0.6, _INK)
    return np.vstack([head, *panels])


def png(pixels: Pixels) -> bytes:
    """A BGR picture as PNG."""
    return bytes(cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


def _window(explanation: Explanation, look: Look) -> Pixels:
    sound = _shades(look)
    grey = np.repeat((230 - 200 * sound)[..., None], 3, axis=2)
    left = _panel(look, _enlarged(palette(256)[(sound * 255).astype(int)][..., ::-1].astype(np.float32)))
    right = _panel(look, _with_heat(_enlarged(grey), look.evidence))
    _say(left, f"{look.start:.2f} to {look.start + look.heard:.2f} s", (_LEFT, 22), 0.5, _INK)
    _say(left, "what was heard", (_LEFT, 44), 0.45, _FAINT)
    _say(right, f"{explanation.label} {look.probability:.0%}", (_LEFT, 22), 0.5, _INK)
    _say(right, summary(look), (_LEFT, 44), 0.42, _INK)
    _strip(right, look)
    _level(left, look)
    return np.hstack([left, right])


def summary(look: Look) -> str:
    """One line: where the evidence lies, and what is left of the probability without it."""
    if look.in_shots is None:
        return "nothing in it begins like a blast" if not look.onsets else "nothing spoke for it"
    text = f"in the shots: {look.in_shots:.0%} of the evidence, {look.time_in_shots:.0%} of the time"
    if look.without_shots is not None and look.only_shots is not None:
        text += f"; without them {look.without_shots:.0%}, they alone {look.only_shots:.0%}"
    return text


def _shades(look: Look) -> npt.NDArray[np.float32]:
    """Loudness 0..1, highest band first."""
    low = float(look.log_mels.max()) - _RANGE
    return np.asarray(((look.log_mels[::-1] - low) / _RANGE).clip(0, 1), np.float32)


def _enlarged(colours: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    size = (colours.shape[1] * ACROSS, colours.shape[0] * DOWN)
    return np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _with_heat(grey: npt.NDArray[np.float32], evidence: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Evidence over the sound: yellow where there is some, red where it is strongest."""
    share = (evidence[::-1] / max(float(np.quantile(evidence, _FULL)), 1e-12)).clip(0, 1)[..., None]
    strength = _enlarged(share.astype(np.float32))[..., None]
    colour = np.concatenate([20 + 0 * strength, 225 - 205 * strength, 250 + 0 * strength], axis=2)
    opacity = _STRONGEST * strength**0.7
    return np.asarray(grey * (1 - opacity) + colour * opacity, np.float32)


def _panel(look: Look, content: npt.NDArray[np.float32]) -> Pixels:
    """A spectrogram with its axes and onsets; room for a strip below it."""
    height, width = content.shape[:2]
    panel = np.full((_TOP + height + _GAP + STRIP + _BOTTOM, _LEFT + width + _RIGHT, 3), 255, np.uint8)
    panel[_TOP : _TOP + height, _LEFT : _LEFT + width] = content.round()
    hertz = mel_hertz()[1:-1]
    for tick in _TICKS:
        y = _TOP + height - 1 - round(float(np.interp(tick, hertz, np.arange(hertz.size))) * DOWN)
        cv2.line(panel, (_LEFT - 5, y), (_LEFT - 1, y), _INK, 1)
        _say(panel, f"{tick / 1000:g} kHz" if tick >= 1000 else f"{tick} Hz", (6, y + 4), 0.36, _INK)
    base = _TOP + height + _GAP + STRIP
    for second in np.arange(np.ceil(look.start * 4) / 4, look.start + look.log_mels.shape[1] / _rate(), 0.25):
        x = _across(look, float(second))
        if x >= _LEFT + width:
            continue
        cv2.line(panel, (x, base), (x, base + 4), _INK, 1)
        if round(second * 4) % 2 == 0:
            _say(panel, f"{second:.1f}", (x - 10, base + 18), 0.36, _INK)
    _say(panel, "seconds of the clip", (_LEFT, base + 36), 0.36, _FAINT)
    for onset in look.onsets:
        x = _across(look, onset)
        cv2.fillPoly(
            panel, [np.array([(x - 5, _TOP - 9), (x + 5, _TOP - 9), (x, _TOP - 1)])], _ONSET, cv2.LINE_AA
        )
    return panel


def _strip(panel: Pixels, look: Look) -> None:
    """Evidence over time below a panel, the spans of the shots shaded."""
    base, width = panel.shape[0] - _BOTTOM, look.log_mels.shape[1] * ACROSS
    top = base - STRIP
    for onset in look.onsets:
        first, last = _across(look, onset - SHOT_BEFORE), _across(look, onset + SHOT_AFTER)
        panel[top:base, max(_LEFT, first) : min(_LEFT + width, last)] = (215, 240, 215)
    _curve(panel, look.evidence.sum(axis=0), _HEAT)
    _say(panel, "evidence", (6, top + 12), 0.34, _FAINT)


def _level(panel: Pixels, look: Look) -> None:
    loud = look.log_mels.max(axis=0)
    _curve(panel, np.clip(loud - loud.max() + _RANGE, 0, None), _INK)
    _say(panel, "level", (6, panel.shape[0] - _BOTTOM - STRIP + 12), 0.34, _FAINT)


def _curve(panel: Pixels, values: npt.NDArray[np.float32], colour: tuple[int, int, int]) -> None:
    base = panel.shape[0] - _BOTTOM
    scaled = values / max(float(values.max()), 1e-12)
    points = [(_LEFT + i * ACROSS, base - 1 - round(float(v) * (STRIP - 4))) for i, v in enumerate(scaled)]
    cv2.polylines(panel, [np.array(points, np.int32)], False, colour, 1, cv2.LINE_AA)
    cv2.line(panel, (_LEFT, base), (_LEFT + values.size * ACROSS, base), _FAINT, 1)


def _across(look: Look, second: float) -> int:
    return _LEFT + round((second - look.start) * _rate() * ACROSS)


def _rate() -> float:
    return SAMPLE_RATE / HOP  # mel frames per second


def _say(panel: Pixels, text: str, at: tuple[int, int], size: float, ink: tuple[int, int, int]) -> None:
    cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
