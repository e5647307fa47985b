"""A bundle is whole and fits its card, or it is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vedette_base import bundle as bundle_module
from vedette_base.bundle import Bundle, Card, load_bundle, resource, sha256_of, shipped_bundles, write_bundle
from vedette_base.calibration import PlattMap
from vedette_base.errors import BundleError, InputError, OutputError

FILES = {"model.xml": b"<net/>", "model.bin": b"\x00\x01"}


def card(**changes: Any) -> Card:
    given: dict[str, Any] = {
        "name": "bark",
        "task": "audio",
        "version": "1",
        "architecture": "resnet18",
        "labels": ("woof", "yap"),
        "thresholds": {"woof": 0.5},
        "calibration": {"woof": PlattMap(slope=1.5, intercept=-0.5, base_rate=0.2)},
        "licence": "AGPL-3.0-or-later",
    }
    return Card.model_validate(given | changes)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bark", card(), FILES)


def edit(bundle: Bundle, **changes: Any) -> None:
    path = bundle.folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(folder: Path | str) -> tuple[str, str]:
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value), caught.value.hint


def test_what_was_written_is_read_back(bundle: Bundle) -> None:
    read = load_bundle(bundle.folder)
    assert read == bundle
    assert read.card.files == {name: sha256_of(bundle.folder / name) for name in FILES}
    assert read.card.calibration["woof"] == PlattMap(slope=1.5, intercept=-0.5, base_rate=0.2)
    assert read.identity.startswith("bark 1 (")


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    message, hint = refusal("no-such-model")
    assert "no model bundle 'no-such-model'" in message
    assert hint
    assert "is no model bundle" in refusal(tmp_path)[0]


@pytest.mark.parametrize("name", ["model.bin", "model.xml"])
def test_weights_that_do_not_match_their_card_are_refused(bundle: Bundle, name: str) -> None:
    (bundle.folder / name).write_bytes(b"other weights")
    message, hint = refusal(bundle.folder)
    assert name in message
    assert "does not match its card" in message
    assert "export" in hint


def test_weights_that_are_gone_are_refused(bundle: Bundle) -> None:
    (bundle.folder / "model.bin").unlink()
    assert "model.bin cannot be read: No such file" in refusal(bundle.folder)[0]


def test_a_card_that_does_not_vouch_for_its_weights_is_refused(bundle: Bundle) -> None:
    edit(bundle, files={"model.xml": bundle.card.files["model.xml"]})
    assert "names no model.bin" in refusal(bundle.folder)[0]


def test_a_card_with_an_unknown_field_is_refused(bundle: Bundle) -> None:
    edit(bundle, temperature=0.7)
    message, hint = refusal(bundle.folder)
    assert "unknown field 'temperature'" in message
    assert "newer Vedette" in hint


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"labels": ["woof", "woof"]}, "labels must differ"),
        ({"labels": []}, "labels"),
        ({"task": "smell"}, "task"),
        ({"thresholds": {"meow": 0.5}}, "thresholds names meow"),
        (
            {"calibration": {"woof": {"kind": "platt", "slope": -1, "intercept": 0, "base_rate": 0.1}}},
            "slope",
        ),
        ({"files": {"../model.bin": "00"}}, "plain names"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused(
    bundle: Bundle, changes: dict[str, Any], part: str
) -> None:
    edit(bundle, **changes)
    assert part in refusal(bundle.folder)[0]


def test_a_card_that_is_not_json_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "card.json").write_bytes(b"\x80\x04pickle")
    assert "card.json" in refusal(bundle.folder)[0]


def test_writing_needs_the_weights(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"needs model.bin"):
        write_bundle(tmp_path / "x", card(), {"model.xml": b""})


def test_writing_replaces_a_bundle_whole_and_leaves_nothing_else(bundle: Bundle) -> None:
    (bundle.folder / "stale.txt").write_text("old")
    again = write_bundle(bundle.folder, card(version="2"), FILES)
    assert load_bundle(again.folder).card.version == "2"
    assert sorted(p.name for p in again.folder.iterdir()) == ["card.json", "model.bin", "model.xml"]
    assert [p.name for p in again.folder.parent.iterdir()] == ["bark"]


def test_a_failed_write_keeps_the_old_bundle(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_bundle(bundle.folder, card(version="2"), FILES | {"model.bin": tmp_path / "gone.bin"})
    assert load_bundle(bundle.folder).card.version == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["bark"]


def test_a_folder_of_other_things_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("precious")
    with pytest.raises(OutputError, match="is no model bundle"):
        write_bundle(tmp_path, card(), FILES)
    assert (tmp_path / "holiday.jpg").read_text() == "precious"


def test_an_empty_folder_may_become_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_bundle(tmp_path / "new", card(), FILES)
    assert load_bundle(tmp_path / "new").card.name == "bark"


def test_the_checkout_serves_its_configs() -> None:
    assert resource("configs/audio.yaml").is_file()
    with pytest.raises(InputError, match=r"ships no 'configs/none\.yaml'"):
        resource("configs/none.yaml")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site-packages that holds the package, one config and one bundle, and no checkout around it."""
    site = tmp_path / "python" / "site-packages"
    (site / "vedette_base").mkdir(parents=True)
    (site / "vedette" / "configs").mkdir(parents=True)
    (site / "vedette" / "configs" / "audio.yaml").write_text("hop: 0.25")
    write_bundle(site / "vedette" / "models" / "audio", card(), FILES)
    monkeypatch.setattr(bundle_module, "__file__", str(site / "vedette_base" / "bundle.py"))
    return site


def test_an_installed_vedette_finds_its_own_files(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resource("configs/audio.yaml").read_text() == "hop: 0.25"
    assert shipped_bundles() == ("audio",)
    # a folder of the same name in the current folder does not get in the way of the shipped bundle
    (installed / "audio").mkdir()
    monkeypatch.chdir(installed)
    assert load_bundle("audio").folder == installed / "vedette" / "models" / "audio"
    assert "is no model bundle" in refusal("./audio")[0]
