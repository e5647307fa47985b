"""Cards of sounds and of pictures are found, refused and explained alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from vedette_audio.prepare.cards import DatasetCard, load_card, shipped_cards
from vedette_base.cards import Shelf, SourceCard
from vedette_base.errors import ConfigError
from vedette_vision.prepare.cards import load_picture_card, shipped_picture_cards

HEAD = "name: mine\ntitle: t\nwhere: w\nlicence: l\n"


def test_no_card_of_sounds_is_taken_for_one_of_pictures() -> None:
    assert shipped_cards()
    assert shipped_picture_cards()
    assert not set(shipped_cards()) & set(shipped_picture_cards())


def test_a_card_that_is_not_shipped_is_refused_with_the_names_of_those_that_are() -> None:
    with pytest.raises(ConfigError, match="no dataset card 'nobody'") as caught:
        load_card("nobody")
    assert caught.value.hint == f"cards: {', '.join(shipped_cards())}"
    with pytest.raises(ConfigError, match="no dataset card 'nobody'") as caught:
        load_picture_card("nobody")
    assert caught.value.hint == f"cards: {', '.join(shipped_picture_cards())}"


def test_where_no_cards_are_installed_a_file_still_does(tmp_path: Path) -> None:
    nowhere = Shelf("data/cards/smells", SourceCard)
    with pytest.raises(ConfigError, match="no dataset cards are installed") as caught:
        nowhere.load("table")
    assert caught.value.hint == "give the card's YAML file"
    file = tmp_path / "card.yml"
    file.write_text(HEAD)
    assert nowhere.load(file).licence == "l"


def test_a_pattern_says_which_kind_of_group_it_must_name(tmp_path: Path) -> None:
    file = tmp_path / "card.yaml"
    sound = HEAD + "layout: folders\nrecordings: named\nclasses: {}\n"
    file.write_text(sound + "group_pattern: '(a)(b)'\n")
    with pytest.raises(ConfigError, match="group_pattern: needs one bracket, the recording; has 2"):
        load_card(file)
    file.write_text(sound + "group_pattern: '('\n")
    with pytest.raises(ConfigError, match="group_pattern: not a regular expression"):
        load_card(file)
    file.write_text(sound)
    assert isinstance(load_card(file), DatasetCard)
    file.write_text(HEAD + "layout: yolo\nclasses: {}\ngroup_pattern: 'a'\n")
    with pytest.raises(ConfigError, match="group_pattern: needs one bracket, the scene; has 0"):
        load_picture_card(file)


def test_what_a_card_must_say_of_its_source_is_asked_for_by_line(tmp_path: Path) -> None:
    file = tmp_path / "card.yaml"
    file.write_text("name: Mine!\ntitle: t\nwhere: w\n")
    with pytest.raises(ConfigError, match=r"card\.yaml:1: name") as caught:
        load_picture_card(file)
    assert "more" in str(caught.value)
