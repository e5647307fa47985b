"""report.html: self-contained, safe with hostile names, honest about what was not observed."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.report_cases import make_analysis, make_event, recorded_at, recording
from vedette.analysis import Analysis
from vedette.report.evidence import Evidence, reopen_file
from vedette.report.page import make_page
from vedette_base.score import Coverage, Reason

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>&amp;.mp4'
VOID = {"meta", "img", "br", "link", "input", "hr"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("media") / "clip.mp4")


@pytest.fixture(scope="module")
def page(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    analysis = recorded_at(make_analysis(clip), "2026-03-01T14:02:00+01:00")
    return render(analysis, tmp_path_factory.mktemp("page"), clips=True)


def render(analysis: Analysis, folder: Path, *, clips: bool = False, pictures: int = 12) -> str:
    evidence = None
    if analysis.path is not None:
        evidence = Evidence(reopen_file(analysis.path), analysis.source, analysis.duration)
    return make_page(analysis, evidence, folder=folder, clips=clips, pictures=pictures)


class Structure(HTMLParser):
    """Collects tags and attributes, and that every tag is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID and tag not in ("path", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def having(self, attribute: str) -> list[str]:
        return [attrs[attribute] for _, attrs in self.tags if attribute in attrs]


def test_the_page_is_well_formed_and_every_id_is_its_own(page: str) -> None:
    structure = Structure(page)
    assert structure.open == []
    ids = structure.having("id")
    assert len(ids) == len(set(ids))
    for target in structure.having("href"):
        assert target.removeprefix("#") in ids


def test_the_page_asks_for_nothing_outside_itself(page: str) -> None:
    without_pictures = re.sub(r'"data:[^"]*"', '""', page)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|<iframe|<object", without_pictures)
    assert all(value.startswith("data:") for value in Structure(page).having("src"))


def test_no_script_but_ours_may_run(page: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page


def test_hostile_names_and_texts_are_shown_and_not_obeyed(clip: Path, tmp_path: Path) -> None:
    analysis = make_analysis(clip, name=HOSTILE)
    event = replace(analysis.events[0], reasons=(Reason("<b>term", 0.5, HOSTILE),), id=HOSTILE)
    analysis = replace(analysis, events=(event,), warnings=(HOSTILE,), models={"audio": HOSTILE})
    page = render(analysis, tmp_path)
    structure = Structure(page)
    assert not structure.having("onerror")
    assert [tag for tag, _ in structure.tags].count("script") == 2  # the data of the curves, and ours
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_name_that_is_not_unicode_can_still_be_written(tmp_path: Path) -> None:
    page = render(make_analysis(None, name=b"caf\xe9.mp4".decode("utf-8", "surrogateescape")), tmp_path)
    assert "caf\ufffd.mp4" in page
    page.encode("utf-8")


def test_an_event_shows_what_when_how_sure_and_why(page: str) -> None:
    text = re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL))
    text = re.sub(r"\s+", " ", text)
    for said in (
        "clip.mp4", "Armed attack, 1 shot", "critical", "0:00:01.8 to 0:00:02.6",
        "2026-03-01 14:02:01.8 +01:00", "98 % very likely a threat", "Heard", "+5.10", "gunshot 0.95",
        "Sum", "+3.70", "M16", "31 %", "pistol", "2 damaged packets skipped",
        "Sound was not observed for 1.0 s (25 %): 0:00:03.0 to 0:00:04.0.",
    ):  # fmt: skip
        assert said in text, said


def test_a_gap_is_hatched_where_it_lies_and_no_curve_crosses_it(page: str) -> None:
    assert re.search(r'<div class="gap" style="left:75.0000%;width:25.0000%"><span>not observed', page)
    lane = page[page.index('<div class="lane audio">') : page.index('<div class="lane vision">')]
    xs = [
        float(x)
        for path in re.findall(r' d="M([^"]+)"', lane)[1:]
        for x in re.findall(r"([\d.]+) [\d.]+", path)
    ]
    assert xs
    assert max(xs) <= 750.0


def test_pictures_sound_and_clip_of_the_event_are_in_the_page(page: str) -> None:
    kinds = [value.split(";")[0] for value in Structure(page).having("src")]
    assert kinds.count("data:video/mp4") == 1
    assert kinds.count("data:image/png") == 1
    assert kinds.count("data:image/jpeg") == 2  # the frame, and the closer look at a small weapon
    box = re.search(r'class="box" style="left:37.500%;top:41.667%;width:12.500%;height:11.667%"', page)
    assert box is not None


def test_an_unfinished_analysis_says_so_before_anything_else(tmp_path: Path) -> None:
    analysis = replace(make_analysis(None), complete=False)
    page = render(analysis, tmp_path)
    assert page.index("Not complete") < page.index("Timeline")
    assert "Not complete" not in render(replace(analysis, complete=True), tmp_path)


def test_finding_nothing_is_no_promise_that_nothing_was_there(tmp_path: Path) -> None:
    quiet = replace(make_analysis(None), events=(), coverage=Coverage())
    page = render(quiet, tmp_path)
    assert "No threat was found in what could be observed." in page
    assert "Sound was not observed at all." in page
    assert "Picture was not observed at all." in page


def test_only_the_gravest_events_are_pictured_and_the_page_says_so(clip: Path, tmp_path: Path) -> None:
    events = tuple(make_event(rank) for rank in range(1, 8))
    page = render(replace(make_analysis(clip), events=events), tmp_path, pictures=2)
    assert page.count('<figure class="sound"') == 2
    assert "Pictures and sound are shown for the 2 gravest events" in page
    assert page.count('<article class="card') == 7


def test_thousands_of_events_over_a_day_stay_a_page_that_opens(tmp_path: Path) -> None:
    day = 86_400.0
    times = np.arange(0, day, 0.5)
    analysis = make_analysis(None)
    scores = replace(
        analysis.audio_scores,
        times=times,
        probabilities=np.tile(analysis.audio_scores.probabilities[:1], (times.size, 1)),
        quality=np.ones(times.size, np.float32),
    )
    events = tuple(make_event(r, start=r * 40.0, end=r * 40.0 + 2) for r in range(1, 2001))
    page = render(replace(analysis, duration=day, audio_scores=scores, events=events), tmp_path)
    assert len(page) < 3_000_000
    assert "1700 more events are in events.json" in page


@pytest.fixture
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("needs chromium to draw the page")


def test_a_phone_does_not_scroll_the_page_sideways(browser: str, page: str, tmp_path: Path) -> None:
    measure = (
        "<script>document.title = `wide ${document.documentElement.scrollWidth} of ${innerWidth}`</script>"
    )
    probed = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    (tmp_path / "report.html").write_text(probed.replace("</body>", f"{measure}</body>"), "utf-8")
    command = (
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=390,800", "--hide-scrollbars",
        "--dump-dom", f"file://{tmp_path / 'report.html'}",
    )  # fmt: skip
    drawn = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout.decode()
    wide, window = map(int, re.search(r"<title>wide (\d+) of (\d+)", drawn).groups())  # type: ignore[union-attr]
    assert wide <= window


def test_a_browser_draws_the_page_and_its_script_runs(browser: str, page: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page, "utf-8")
    common = (
        browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=390,1400", "--enable-logging=stderr",
    )  # fmt: skip
    target = f"file://{tmp_path / 'report.html'}"
    shot = tmp_path / "page.png"
    subprocess.run([*common, f"--screenshot={shot}", target], check=True, capture_output=True, timeout=120)
    picture = cv2.imread(str(shot))
    assert picture is not None
    assert picture.std() > 20  # not an empty page
    made = subprocess.run([*common, "--dump-dom", target], check=True, capture_output=True, timeout=120)
    assert 'class="tl-tools"' in made.stdout.decode()  # put there by the script
    assert "Content Security Policy" not in made.stderr.decode()
    assert "Uncaught" not in made.stderr.decode()
