"""`vedette classify`: several clips and folders, bad clips named, long ones heard as they are read."""

from __future__ import annotations

import csv
import json
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tests.commands import Command
from tests.media import Sound, noise, silence, write_media, write_still, write_wav_float
from vedette_audio.classify import Classification, GunshotClassifier
from vedette_audio.scorer import AudioScorer
from vedette_base.bundle import load_bundle
from vedette_base.config import AudioConfig
from vedette_base.media import AudioBlock
from vedette_base.score import AUDIO_LABELS, FIREARMS


class LevelEngine:
    """Calls everything a shot, the surer the louder; needs no network."""

    def run(self, batch: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], ...]:
        logits = np.full((len(batch), len(AUDIO_LABELS)), -9.0, np.float32)
        logits[:, -1] = batch.mean(axis=(1, 2, 3))  # of log-mels: louder is greater
        logits[:, 0] = np.where(batch.max(axis=(1, 2, 3)) > 0.5, 9.0, -9.0)
        return (logits,)


@pytest.fixture(scope="module")
def classifier() -> GunshotClassifier:
    scorer = AudioScorer(load_bundle("audio"), AudioConfig(), engine=LevelEngine())  # type: ignore[arg-type]
    return GunshotClassifier(scorer)


@pytest.fixture
def quick(classifier: GunshotClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command with a stand-in for the network."""
    monkeypatch.setattr(GunshotClassifier, "load", classmethod(lambda cls, model: classifier))


def wav(path: Path, samples: npt.NDArray[np.float32], rate: int) -> Path:
    """16-bit WAV whose header says any rate."""
    data = (samples * 32767).astype("<i2").tobytes()
    head = struct.pack("<HHIIHH", 1, 1, rate, rate * 2 & 0xFFFFFFFF, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.usefixtures("quick")
def test_a_folder_becomes_a_table_and_a_csv(vedette: Command, tmp_path: Path) -> None:
    wav(tmp_path / "clips" / "a.wav", noise(1, level=0.3), 48_000)
    wav(tmp_path / "clips" / "deep" / "b.wav", noise(1, level=0.0005), 48_000)
    write_still(tmp_path / "clips" / "photo.png")  # lies beside the clips, and is none
    result = vedette("classify", "clips", "--csv", "out.csv")
    assert (result.code, result.said) == (0, [])
    assert result.out.splitlines()[0].split()[:2] == ["clip", "shot"]
    assert [line.split()[0] for line in result.out.splitlines()[1:]] == ["clips/a.wav", "clips/deep/b.wav"]
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert list(rows[0]) == ["path", "gunshot", *FIREARMS, "best", "family"]
    assert [row["path"] for row in rows] == ["clips/a.wav", "clips/deep/b.wav"]
    assert (rows[0]["best"], rows[0]["family"]) == ("AK-12", "rifle")
    assert rows[1]["best"] == "unknown firearm"
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("gunshot", *FIREARMS))


@pytest.mark.usefixtures("quick")
def test_one_clip_is_a_line_of_json_unless_asked_otherwise(vedette: Command, tmp_path: Path) -> None:
    wav(tmp_path / "a.wav", noise(1), 48_000)
    line = json.loads(vedette("classify", "a.wav").out)
    assert line["path"] == "a.wav"
    assert set(line["types"]) == set(FIREARMS)
    assert vedette("classify", "a.wav", "--format", "table").out.startswith("clip")
    assert len(vedette("classify", "a.wav", "a.wav", "--format", "json").out.splitlines()) == 2


@pytest.mark.usefixtures("quick")
def test_each_bad_clip_is_one_line_and_the_rest_is_done(vedette: Command, tmp_path: Path) -> None:
    some_nan = noise(1)
    some_nan[100:200] = np.nan
    write_wav_float(tmp_path / "some-nan.wav", some_nan)
    write_wav_float(tmp_path / "nan.wav", np.full(9000, np.nan, np.float32))
    wav(tmp_path / "short.wav", noise(0.05), 48_000)
    wav(tmp_path / "tiny.wav", noise(0.005), 48_000)
    wav(tmp_path / "mute.wav", silence(1), 48_000)
    wav(tmp_path / "rate-0.wav", noise(0.1), 0)
    wav(tmp_path / "rate-1.wav", noise(0.1), 1)  # a tenth of a second that would last an hour
    wav(tmp_path / "rate-huge.wav", noise(0.1), 2_000_000_000)
    (tmp_path / "empty.wav").write_bytes(b"")
    names = ["nan", "mute", "rate-0", "rate-1", "rate-huge", "empty", "gone", "some-nan", "short", "tiny"]
    result = vedette("classify", *(f"{name}.wav" for name in names), "--format", "json", "--csv", "t.csv")
    assert result.code == 1
    done = [json.loads(line)["path"] for line in result.out.splitlines()]
    assert done == ["some-nan.wav", "short.wav", "tiny.wav"]
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 1 + len(done)
    assert result.said == [
        "nan.wav: its sound is digital silence (9000 sound samples that are no numbers, set to zero)",
        "mute.wav: its sound is digital silence",
        "rate-0.wav: not a recording that can be read",
        "rate-1.wav: its header says 1 samples per second, which no recorder makes",
        "rate-huge.wav: its header says 2000000000 samples per second, which no recorder makes",
        "empty.wav: the file is empty (0 bytes)",
        "gone.wav: no such file",
        "some-nan.wav: 100 sound samples that are no numbers, set to zero",
    ]


@pytest.mark.usefixtures("quick")
def test_a_folder_without_clips_and_a_csv_that_cannot_be_written_are_refused(
    vedette: Command, tmp_path: Path
) -> None:
    (tmp_path / "none").mkdir()
    wav(tmp_path / "a.wav", noise(0.2), 48_000)
    assert vedette("classify", "none").said == ["none: holds no sound clips"]
    result = vedette("classify", "a.wav", "--csv", "no/such/folder.csv")
    assert (result.code, result.out, len(result.said)) == (1, "", 1)


def blocks(seconds: float, size: int = 9_600) -> Iterator[AudioBlock]:
    """Noise that is made as it is asked for."""
    rng = np.random.default_rng(0)
    for number in range(round(seconds * 48_000 / size)):
        yield AudioBlock(number * size / 48_000, rng.uniform(-0.1, 0.1, size).astype(np.float32))


def test_hours_are_heard_in_flat_memory(classifier: GunshotClassifier) -> None:
    """Two minutes are 23 MB of samples; six hours would be 4 GB."""
    peaks = []
    for seconds in (30.0, 120.0):
        tracemalloc.start()
        assert classifier.hear(blocks(seconds)).observed
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
    assert peaks[1] < 18e6


def test_blocks_say_the_same_as_the_whole(classifier: GunshotClassifier) -> None:
    sound = np.concatenate([noise(1.5, level=0.01), noise(2.0, level=0.3), noise(3.3, level=0.001)])
    whole = classifier.classify(sound, 48_000)
    for size in (480, 7_777, sound.size):
        parts = [AudioBlock(i / 48_000, sound[i : i + size]) for i in range(0, sound.size, size)]
        assert classifier.hear(parts) == whole


def test_no_sound_is_not_heard_as_no_shot(classifier: GunshotClassifier) -> None:
    assert classifier.hear([]) == Classification(0.0, dict.fromkeys(FIREARMS, 0.0), observed=False)


def test_a_clip_that_breaks_off_leaves_nothing_behind_for_the_next(classifier: GunshotClassifier) -> None:
    def broken() -> Iterator[AudioBlock]:
        yield AudioBlock(0.0, noise(3, level=0.9))
        raise OSError("unplugged")

    quiet = noise(2, level=0.001)
    before = classifier.classify(quiet, 48_000)
    with pytest.raises(OSError, match="unplugged"):
        classifier.hear(broken())
    assert classifier.classify(quiet, 48_000) == before


@pytest.mark.usefixtures("quick")
def test_a_video_is_classified_by_its_sound(vedette: Command, tmp_path: Path) -> None:
    write_media(tmp_path / "v.mkv", sound=Sound(noise(1), codec="pcm_s16le"))
    assert json.loads(vedette("classify", "v.mkv").out)["path"] == "v.mkv"
