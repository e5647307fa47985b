"""What is wrong with a file is said by name; nothing is skipped in silence, nothing read without end."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from tests.sound_sources import RATE, clips, nine_folders, recording, write_coded, write_wav
from tests.sounds import HEAD
from vedette_audio.dataset import read_manifest
from vedette_audio.prepare.audit import audit
from vedette_audio.prepare.cards import DatasetCard, load_card
from vedette_audio.prepare.facts import measure
from vedette_audio.prepare.findings import findings, words, write_manifest
from vedette_audio.prepare.listen import HEARD_S, Sound, header_fault, listen
from vedette_audio.prepare.preparation import Prepared, prepare
from vedette_audio.prepare.suspects import find_suspects
from vedette_base.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    nine_folders(tmp_path, {"AK-47": [1, 2, 3], "MP5": [4, 5]})
    return tmp_path


def card(**changes: object) -> DatasetCard:
    return load_card("kaggle_tuncer2021").model_copy(update={"groups_table": None} | changes)


def flags(prepared: Prepared) -> dict[str, str]:
    return {entry.path: entry.flag for entry in prepared.entries}


def test_broken_clips_stop_it_and_are_left_out_only_on_request(root: Path) -> None:
    sound = recording(9, 1.0)
    sound[500] = np.nan
    write_wav(root / "MP5" / "2_90_.wav", sound, floats=True)
    (root / "MP5" / "2_91_.wav").write_bytes(b"not a sound")
    with pytest.raises(DataError, match="2 of 22 clips cannot be used") as caught:
        prepare(card(), root)
    assert "1 samples are not numbers" in str(caught.value)
    assert "--skip-broken" in caught.value.hint
    prepared = prepare(card(), root, skip_broken=True)
    assert [path for path, _ in prepared.left_out] == ["MP5/2_90_.wav", "MP5/2_91_.wav"]
    assert len(prepared.entries) == 20
    assert sum(line.startswith("left out: MP5") for line in words(prepared)) == 2


def test_a_clip_of_a_twentieth_of_a_second_is_kept_and_flagged(root: Path) -> None:
    write_wav(root / "MP5" / "2_90_.wav", recording(9, 0.05, shots=False))
    assert flags(prepare(card(), root))["MP5/2_90_.wav"] == "short"


def test_six_hours_are_measured_by_their_beginning(root: Path) -> None:
    """A sparse file: what its header says is six hours long, what lies on disk is a second."""
    path = write_wav(root / "MP5" / "2_90_.wav", recording(9, 1.0))
    length = 6 * 3600 * RATE * 2
    with path.open("r+b") as file:
        file.seek(4)
        file.write(struct.pack("<I", length + 36))
        file.seek(40)
        file.write(struct.pack("<I", length))
        file.truncate(length + 44)
    before = time.process_time()
    sound = listen(path)
    assert time.process_time() - before < 3
    assert sound.samples.size == HEARD_S * RATE
    assert sound.duration == pytest.approx(6 * 3600, abs=1)
    assert not sound.whole
    prepared = prepare(card(), root)
    assert "long" in flags(prepared)["MP5/2_90_.wav"]
    assert any("360 minutes" in line for line in words(prepared))


def test_silent_clips_are_left_out_and_named_and_silence_alone_is_refused(root: Path, tmp_path: Path) -> None:
    write_wav(root / "MP5" / "2_90_.wav", np.zeros(RATE, np.float32))
    prepared = prepare(card(), root)
    assert prepared.left_out == (("MP5/2_90_.wav", "silent: peak -180 dB of full scale"),)
    silent = tmp_path / "silent"
    for number in range(3):
        write_wav(silent / "MP5" / f"8_{number}_.wav", np.zeros(RATE, np.float32))
    with pytest.raises(DataError, match="none of 3 clips can be used: 3 are silent"):
        prepare(card(), silent)


def test_a_header_that_contradicts_itself_is_refused(root: Path) -> None:
    path = write_wav(root / "MP5" / "2_90_.wav", recording(9, 1.0))
    assert header_fault(path) == ""
    with path.open("r+b") as file:
        file.seek(24)
        file.write(struct.pack("<I", 48_000))  # the rate, but not the bytes a second
    with pytest.raises(DataError, match="48000 Hz and 16000 Hz"):
        prepare(card(), root)


def test_an_impossible_rate_is_refused(root: Path) -> None:
    write_wav(root / "MP5" / "2_90_.wav", recording(9, 1.0), 500)
    with pytest.raises(DataError, match="500 Hz, which no recording has"):
        prepare(card(), root)


def test_a_rate_that_makes_a_clip_three_times_as_long_is_doubted() -> None:
    usual = [measure(Sound(RATE, 1, True, 1.0, clip, True)) for clip in clips(recording(1, 30.0))]
    wrong = measure(Sound(8_000, 1, True, 2.0, recording(2, 1.0), True))
    count = len(usual) + 1
    found = find_suspects(["gunshot"] * count, ["MP5"] * count, ["g"] * count, [*usual, wrong])
    assert [(s.clip, s.flag) for s in found if s.flag == "rate"] == [(30, "rate")]
    assert "16000 samples like the 30 clips of MP5 at 16000 Hz" in found[-1].evidence


def test_a_class_of_one_recording_is_said_to_be_unsplittable(root: Path) -> None:
    for number, clip in enumerate(clips(recording(9, 4.0))):
        write_wav(root / "M249" / f"6_{number}_.wav", clip)
    prepared = prepare(card(), root)
    assert prepared.whole == ("M249",)
    assert {entry.split for entry in prepared.entries if entry.fine == "M249"} == {"train"}
    assert any("M249 is one recording: it cannot be split" in line for line in words(prepared))
    assert findings(prepared)["classes_of_one_recording"] == ["M249"]


def test_a_shot_without_an_impulse_is_flagged(root: Path) -> None:
    write_wav(root / "AK-47" / "1_90_.wav", recording(3, 1.0, shots=False))
    assert "no_impulse" in flags(prepare(card(), root))["AK-47/1_90_.wav"]


def test_a_clip_among_strangers_is_flagged() -> None:
    facts = [
        measure(Sound(RATE, 1, True, 1.0, clip, True))
        for clip in [*clips(recording(1, 12.0)), *clips(recording(2, 9.0))]
    ]
    names = ["a"] * 12 + ["b"] * 8 + ["c"]
    groups = [f"g{i // 3}" for i in range(20)] + ["own"]
    found = find_suspects(["other"] * 21, names, groups, facts)
    assert [(s.clip, s.flag) for s in found] == [(20, "stranger")]
    assert "are all b" in found[0].evidence


def test_a_manifest_with_missing_files_or_unknown_labels_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", recording(1, 1.0))
    path = tmp_path / "manifest.csv"
    path.write_text(HEAD + "a.wav,s,x,other,rain,g,train,1,1,\nb.wav,s,x,other,rain,h,val,1,1,\n")
    with pytest.raises(DataError, match=r"1 of 2 files are missing: b\.wav"):
        audit([path], tmp_path)
    path.write_text(HEAD + "a.wav,s,x,bang,rain,g,train,1,1,\n")
    with pytest.raises(DataError, match="line 2: label 'bang' is not in the class list"):
        audit([path], tmp_path)
    path.write_text(HEAD + "a.wav,s,x,other,rain,g,train,1,1,\n" * 1)
    with pytest.raises(DataError, match="listed twice"):
        audit([path, path], tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.wav,s,x,other,rain,g,train,fast,1,,", "line 2: native_rate must be a number, got 'fast'"),
        ("a.wav,s,x,gunshot,MP5,g,train,,1,,soon", "line 2: onsets must be a number, got 'soon'"),
        ("a.wav,s,x,gunshot,MP5,g,train,,1,,nan", "line 2: onsets must be a number, got 'nan'"),
        ("a.wav,s,x,other,rain,g,test,1,1,,", "line 2: split 'test' is neither train nor val"),
        ("a.wav,s", "line 2: nothing in label, fine, group, split"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    write_wav(tmp_path / "a.wav", recording(1, 1.0))
    path = tmp_path / "manifest.csv"
    path.write_text(HEAD.strip() + ",onsets\n" + line + "\n")
    with pytest.raises(DataError, match=said):
        audit([path], tmp_path)


def test_a_manifest_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(HEAD.encode() + b"\xff\xfe,s\n")
    with pytest.raises(DataError, match="no table in UTF-8"):
        audit([tmp_path / "manifest.csv"], tmp_path)


def test_a_shot_outside_its_clip_is_flagged(tmp_path: Path) -> None:
    for name in "ab":
        write_wav(tmp_path / f"{name}.wav", recording(ord(name), 2.0))
    (tmp_path / "clips.csv").write_text("path,label,group,onsets\na.wav,MP5,g,0.2 9.5\nb.wav,MP5,h,0.2\n")
    prepared = prepare(load_card("table"), tmp_path)
    assert flags(prepared) == {"a.wav": "onset", "b.wav": ""}
    assert any("a shot at 9.5 s, the clip has 2.00 s" in line for line in words(prepared))


def test_flags_reach_whoever_reads_the_manifest_and_add_up(root: Path, tmp_path: Path) -> None:
    write_wav(root / "AK-47" / "1_90_.wav", recording(3, 1.0, shots=False))
    path = tmp_path / "manifest.csv"
    write_manifest(prepare(card(), root), path)
    read = {Path(clip.path).name: clip.flag for clip in read_manifest(path)}
    assert read["1_90_.wav"] == "no_impulse"
    assert sum(bool(flag) for flag in read.values()) == 1
    path.write_text(path.read_text().replace("no_impulse", "yamnet_low"))
    again = flags(audit([path], tmp_path).prepared)
    assert again["AK-47/1_90_.wav"] == "yamnet_low+no_impulse"


def test_a_source_whose_recordings_nobody_can_tell_trains_as_one(tmp_path: Path) -> None:
    for number, clip in enumerate(clips(recording(9, 4.0))):
        write_wav(tmp_path / "gun" / f"gun-{number:02d}.wav", clip)
    prepared = prepare(load_card("lelec_gun"), tmp_path)
    assert {(entry.group, entry.split) for entry in prepared.entries} == {("lelec_gun", "train")}
    assert not any(line.startswith("format alone") for line in words(prepared))


def test_names_tell_recordings_where_the_card_says_how(tmp_path: Path) -> None:
    for number in range(3):
        write_wav(tmp_path / "knock" / f"knock_large_{number}.wav", recording(number, 1.0))
    write_wav(tmp_path / "clap" / "clap_large_0.wav", recording(7, 1.0))
    groups = {entry.path: entry.group for entry in prepare(load_card("sharwin24"), tmp_path).entries}
    assert set(groups.values()) == {"sharwin24_knock_large", "sharwin24_clap_large"}


def test_a_video_without_sound_and_a_cut_off_file_are_told_apart(tmp_path: Path) -> None:
    whole = write_coded(tmp_path / "a.mp3", recording(1, 2.0), "libmp3lame").read_bytes()
    (tmp_path / "b.mp3").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.mp3").write_bytes(b"")
    assert listen(tmp_path / "b.mp3").duration == pytest.approx(1.0, abs=0.2)
    assert listen(tmp_path / "c.mp3").fault
    assert listen(tmp_path / "none.mp3").fault == "no such file"


def test_two_channels_that_are_one_are_seen_as_one(tmp_path: Path) -> None:
    left, right = recording(1, 1.0), recording(2, 1.0)
    same = listen(write_wav(tmp_path / "a.wav", np.stack([left, left], axis=1)))
    wide = listen(write_wav(tmp_path / "b.wav", np.stack([left, right], axis=1)))
    assert (same.channels, same.one_voice, same.samples.size) == (2, True, RATE)
    assert (wide.channels, wide.one_voice) == (2, False)
