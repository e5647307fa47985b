"""Every layout gives the same kind of entry, and what does not fit its card is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.sound_sources import write_coded, write_wav
from vedette_audio.prepare.cards import load_card, shelf, shipped_cards
from vedette_audio.prepare.layouts import Entry, read_source
from vedette_base.errors import ConfigError, DataError

BLIP = np.full(800, 0.1, np.float32)


def sound_at(root: Path, *paths: str) -> None:
    for path in paths:
        if path.endswith(".ogg"):
            write_coded(root / path, np.tile(BLIP, 4), "libopus")
        else:
            write_wav(root / path, BLIP)


def read(card: str, root: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in read_source(load_card(card), root)}


def test_every_shipped_card_can_be_read() -> None:
    names = shipped_cards()
    assert {"kaggle_tuncer2021", "urbansound8k", "sesa", "esc10", "esc50", "table", "train_table"} <= set(
        names
    )
    assert {"lelec_gun", "lelec_esc50", "devi_scream", "devi_speech", "sharwin24"} <= set(names)
    for name in names:
        card = load_card(name)
        assert card.where, name
        assert card.licence, name
        assert card.classes, name


def test_an_unknown_card_names_those_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        load_card("kagle")
    assert "kaggle_tuncer2021" in caught.value.hint


def test_a_card_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text("name: a\ntitel: b\n")
    with pytest.raises(ConfigError, match="titel"):
        load_card(tmp_path / "card.yaml")


@pytest.mark.parametrize("pattern", ["(", "no bracket", "(two)(brackets)"])
def test_a_pattern_that_names_no_recording_is_refused(tmp_path: Path, pattern: str) -> None:
    text = (shelf() / "sharwin24.yaml").read_text().replace(r"'/(\w+)_\d+\.\w+$'", repr(pattern))
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(ConfigError, match="group_pattern"):
        load_card(tmp_path / "card.yaml")


def test_nine_folders_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    sound_at(
        tmp_path, "AK-12/3 (2).wav", "AK-12/3 (10).wav", "IMI_Desert_Eagle/2_1_.ogg", "Zastava M92/9 (1).wav"
    )
    found = read("kaggle_tuncer2021", tmp_path)
    assert list(found)[:2] == ["AK-12/3 (2).wav", "AK-12/3 (10).wav"]
    assert {entry.fine for entry in found.values()} == {"AK-12", "IMI Desert Eagle", "Zastava M92"}
    assert {entry.label for entry in found.values()} == {"gunshot"}


def test_urbansound_by_its_table(tmp_path: Path) -> None:
    sound_at(tmp_path, "audio/fold1/7061-6-0-0.wav", "audio/fold2/99-3-0-1.wav")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "7061-6-0-0.wav,7061,0,1,1,1,6,gun_shot\n99-3-0-1.wav,99,0,1,1,2,3,dog_bark\n"
    )
    found = read("urbansound8k", tmp_path)
    shot, dog = found["audio/fold1/7061-6-0-0.wav"], found["audio/fold2/99-3-0-1.wav"]
    assert (shot.label, shot.group) == ("gunshot", "fs7061")
    assert (dog.label, dog.fine, dog.group) == ("other", "dog_bark", "fs99")


def test_urbansound_without_its_table_goes_by_the_names(tmp_path: Path) -> None:
    sound_at(tmp_path, "gun_shot/7061-6-0-0.wav", "siren/8-8-0-1.wav")
    assert {entry.group for entry in read("urbansound8k", tmp_path).values()} == {"fs7061", "fs8"}
    sound_at(tmp_path, "siren/mine.wav")
    with pytest.raises(DataError, match=r"mine\.wav: not named"):
        read("urbansound8k", tmp_path)


def test_sesa_by_the_first_word_of_the_name(tmp_path: Path) -> None:
    sound_at(tmp_path, "train/gunshot_001.wav", "test/explosion_002.wav", "test/casual_003.wav")
    found = read("sesa", tmp_path)
    assert found["train/gunshot_001.wav"].label == "gunshot"
    assert found["test/explosion_002.wav"].label == "other"


def test_esc50_by_its_table_and_esc10_by_its_folders(tmp_path: Path) -> None:
    fifty, ten = tmp_path / "50", tmp_path / "10"
    sound_at(fifty, "audio/1-17-A-48.wav")
    (fifty / "meta").mkdir()
    (fifty / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n1-17-A-48.wav,1,48,fireworks,False,17,A\n"
    )
    sound_at(ten, "001 - Dog bark/1-30226-A.ogg", "Rain/2-5-B.ogg")
    assert [(e.fine, e.group) for e in read("esc50", fifty).values()] == [("fireworks", "fs17")]
    assert {(e.fine, e.group) for e in read("esc10", ten).values()} == {
        ("dog_bark", "fs30226"),
        ("rain", "fs5"),
    }


def test_a_table_of_ones_own_with_onsets(tmp_path: Path) -> None:
    sound_at(tmp_path, "a.wav", "b.wav")
    (tmp_path / "clips.csv").write_text(
        "path,label,group,onsets\na.wav,MP5,range,0.5 0.1\nb.wav,other,yard,\n"
    )
    found = read("table", tmp_path)
    assert (found["a.wav"].fine, found["a.wav"].onsets, found["a.wav"].group) == ("MP5", (0.1, 0.5), "range")
    assert (found["b.wav"].label, found["b.wav"].onsets) == ("other", ())
    (tmp_path / "clips.csv").write_text("path,label,group,onsets\na.wav,MP5,range,soon\n")
    with pytest.raises(DataError, match=r"line 2.*'soon'"):
        read("table", tmp_path)


@pytest.mark.parametrize(
    "table",
    ["audio,label,fold\na.wav,MP5,0\nb.wav,other,1\n", "audio,MP5,gunshot,other\na.wav,1,1,0\nb.wav,0,0,1\n"],
    ids=["one column", "a column per class"],
)
def test_a_train_table_with_its_files_in_a_folder(tmp_path: Path, table: str) -> None:
    sound_at(tmp_path, "audio/a.wav", "audio/b.wav")
    (tmp_path / "train.csv").write_text(table)
    found = read("train_table", tmp_path)
    assert {path: entry.fine for path, entry in found.items()} == {
        "audio/a.wav": "MP5",
        "audio/b.wav": "other",
    }


def test_a_train_table_row_with_two_firearms_is_refused(tmp_path: Path) -> None:
    sound_at(tmp_path, "audio/a.wav")
    (tmp_path / "train.csv").write_text("audio,MP5,M4\na.wav,1,1\n")
    with pytest.raises(DataError, match="line 2: needs one class, has 2: MP5, M4"):
        read("train_table", tmp_path)


def test_a_label_outside_the_class_list_is_named_with_the_nearest(tmp_path: Path) -> None:
    sound_at(tmp_path, "AK-74/1_1_.wav")
    with pytest.raises(DataError, match="label 'AK-74' is not in the card's class list, nearest 'AK-47'"):
        read("kaggle_tuncer2021", tmp_path)


def test_missing_files_are_counted_and_named(tmp_path: Path) -> None:
    sound_at(tmp_path, "a.wav")
    (tmp_path / "clips.csv").write_text("path,label,group\na.wav,MP5,g\nb.wav,MP5,g\nc.wav,other,h\n")
    with pytest.raises(DataError, match=r"2 of 3 files are missing: b\.wav, c\.wav"):
        read("table", tmp_path)


def test_a_table_without_its_columns_and_a_folder_without_clips_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("path,label\n")
    with pytest.raises(DataError, match="no column group"):
        read("table", tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read("train_table", tmp_path)
    with pytest.raises(DataError, match="no clips in the layout 'sesa'"):
        read("sesa", tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read("sesa", tmp_path / "none")
