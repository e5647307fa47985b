"""Pictures of any size and kind: upright, in their own colours, converted only when somebody looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.media import Picture, Video, quarters, write_media, write_still
from tests.received import frames_of, items_of, progress_of
from vedette.sources import FileSource, RecordedFrame, probe
from vedette_base.errors import InputError
from vedette_base.media import Frame, Pixels

NAMES = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0), "white": (255, 255, 255)}  # BGR


def first_frame(path: Path) -> Frame:
    return frames_of(items_of(path))[0]


def corners(bgr: Pixels) -> list[str]:
    """Colours of the quarters: upper left, upper right, lower left, lower right."""
    height, width = bgr.shape[:2]
    places = [(1, 1), (1, 3), (3, 1), (3, 3)]
    found = []
    for y, x in places:
        pixel = bgr[y * height // 4, x * width // 4].astype(int)
        found.append(min(NAMES, key=lambda name: float(np.abs(pixel - NAMES[name]).sum())))
        assert np.abs(pixel - NAMES[found[-1]]).max() < 45, (pixel, found)
    return found


UPRIGHT = ["red", "green", "blue", "white"]
TURNED = {
    0: UPRIGHT,
    90: ["blue", "red", "white", "green"],
    180: ["white", "blue", "green", "red"],
    270: ["green", "white", "red", "blue"],
}
EXIF = {
    1: UPRIGHT,
    2: ["green", "red", "white", "blue"],
    3: TURNED[180],
    4: ["blue", "white", "red", "green"],
    5: ["red", "blue", "green", "white"],
    6: TURNED[90],
    7: ["white", "green", "blue", "red"],
    8: TURNED[270],
}


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_videos_of_a_turned_phone_are_upright(tmp_path: Path, degrees: int) -> None:
    video = Video(seconds=0.2, width=160, height=96, rotation=degrees, draw=quarters)
    path = write_media(tmp_path / "phone.mp4", video=video)
    size = (96, 160) if degrees in (90, 270) else (160, 96)
    with FileSource(path) as source:
        assert source.info.size == size
        assert (f"pictures are rotated by {degrees} degrees" in source.info.notes) == bool(degrees)
    frame = first_frame(path)
    assert frame.size == size
    assert corners(frame.bgr(*frame.size)) == TURNED[degrees]
    small = frame.bgr(40, 20)
    assert small.shape == (20, 40, 3)
    assert corners(small) == TURNED[degrees]
    assert frame.gray(32, 24).shape == (24, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_and_mirrored_as_their_exif_says(tmp_path: Path, orientation: int) -> None:
    path = write_still(tmp_path / "photo.jpg", width=96, height=64, orientation=orientation)
    frame = first_frame(path)
    assert frame.size == ((64, 96) if orientation >= 5 else (96, 64)) == probe(path).size
    assert corners(frame.bgr(*frame.size)) == EXIF[orientation]


def test_a_mirrored_video_is_mirrored_back(tmp_path: Path) -> None:
    import av

    path = tmp_path / "selfie.mp4"
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        track.width, track.height, track.pix_fmt = 160, 96, "yuv420p"
        track.set_display_rotation(-90, hflip=True)
        picture = av.VideoFrame.from_ndarray(quarters(0, 160, 96), "rgb24")
        for packet in [*track.encode(picture), *track.encode(None)]:
            out.mux(packet)
    frame = first_frame(path)
    assert frame.size == (96, 160)
    turned = np.rot90(quarters(0, 160, 96)[:, :, ::-1], -1)
    assert corners(frame.bgr(96, 160)) in (corners(turned[:, ::-1]), corners(turned[::-1]))


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp", "tiff"])
def test_a_still_picture_is_one_frame(tmp_path: Path, ending: str) -> None:
    path = write_still(tmp_path / f"still.{ending}")
    with FileSource(path) as source:
        assert source.info.duration == 0.0
        assert source.info.frame_rate is None
        assert not source.info.audio
        items = list(source)
    frames = frames_of(items)
    assert len(frames) == 1
    assert frames[0].still
    assert frames[0].time == 0.0
    assert corners(frames[0].bgr(64, 48)) == UPRIGHT


@pytest.mark.parametrize("name", ["50%.jpg", "shot%03d.png", "cam1:07.jpg", "a b*?.png", "für.jpg"])
def test_names_that_look_like_patterns_or_protocols_are_only_names(tmp_path: Path, name: str) -> None:
    plain = write_still(tmp_path / f"plain{Path(name).suffix}")
    path = plain.rename(tmp_path / name)
    assert first_frame(path).still


def test_frames_of_a_video_are_not_still(tmp_path: Path) -> None:
    assert not first_frame(write_media(tmp_path / "a.mp4", video=Video(seconds=0.2))).still


def test_picture_alone_moves_the_sounds_watermark_on(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=4))
    progress = progress_of(items_of(path))
    assert {(p.medium, p.reason) for p in progress} == {("audio", "no sound track")}
    assert progress[-1].time == pytest.approx(4.0)
    assert len(progress) >= 4


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (17, 13), (3, 200)])
def test_tiny_and_odd_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    video = Video(seconds=0.2, width=width, height=height, codec="ffv1", pix_fmt="yuv444p")
    frame = first_frame(write_media(tmp_path / "tiny.mkv", video=video))
    assert frame.size == size
    assert frame.bgr(64, 48).shape == (48, 64, 3)
    assert frame.gray(1, 1).shape == (1, 1)


def test_a_still_of_one_pixel(tmp_path: Path) -> None:
    frame = first_frame(write_still(tmp_path / "dot.png", width=1, height=1))
    assert frame.size == (1, 1)
    assert frame.bgr(8, 8).shape == (8, 8, 3)


def test_an_8k_frame(tmp_path: Path) -> None:
    video = Video(times=[0.0], width=7680, height=4320, codec="mjpeg", pix_fmt="yuvj420p", draw=quarters)
    frame = first_frame(write_media(tmp_path / "8k.avi", video=video))
    assert frame.size == (7680, 4320)
    assert corners(frame.bgr(640, 360)) == UPRIGHT


def plain(time: float, width: int, height: int) -> Picture:
    del time
    return np.full((height, width, 3), (200, 60, 30), np.uint8)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "ending"),
    [
        ("libx264", "yuv420p", "mp4"),
        ("libx264", "yuvj420p", "mp4"),
        ("libx264", "yuv444p", "mp4"),
        ("libx264", "yuv420p10le", "mp4"),
        ("libvpx-vp9", "yuv420p", "webm"),
        ("ffv1", "bgra", "mkv"),
        ("png", "rgb24", "avi"),
        ("mjpeg", "yuvj422p", "avi"),
    ],
)
def test_every_pixel_format_gives_the_same_colours(
    tmp_path: Path, codec: str, pix_fmt: str, ending: str
) -> None:
    video = Video(seconds=0.2, width=64, height=64, codec=codec, pix_fmt=pix_fmt, draw=plain)
    frame = first_frame(write_media(tmp_path / f"a.{ending}", video=video))
    assert np.abs(frame.bgr(32, 32).astype(int) - (30, 60, 200)).max() < 12
    luminance = 0.299 * 200 + 0.587 * 60 + 0.114 * 30
    assert np.abs(frame.gray(32, 32).astype(float) - luminance).max() < 12


def test_the_colour_matrix_of_hd_video_is_respected(tmp_path: Path) -> None:
    import av

    path = tmp_path / "hd.mp4"
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        track.width, track.height, track.pix_fmt = 64, 64, "yuv420p"
        track.codec_context.colorspace = 1  # BT.709
        picture = av.VideoFrame.from_ndarray(plain(0, 64, 64), "rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
        for packet in [*track.encode(picture), *track.encode(None)]:
            out.mux(packet)
    assert np.abs(first_frame(path).bgr(32, 32).astype(int) - (30, 60, 200)).max() < 8


def test_shrinking_averages_instead_of_leaving_pixels_out(tmp_path: Path) -> None:
    def stripes(time: float, width: int, height: int) -> Picture:
        del time
        picture = np.zeros((height, width, 3), np.uint8)
        picture[:, ::2] = 255
        return picture

    video = Video(seconds=0.2, width=512, height=512, codec="ffv1", pix_fmt="yuv444p", draw=stripes)
    frame = first_frame(write_media(tmp_path / "a.mkv", video=video))
    assert np.abs(frame.bgr(64, 64)[4:-4, 4:-4].astype(int) - 127).max() < 20


def test_what_a_frame_gave_stays_the_callers(tmp_path: Path) -> None:
    frame = first_frame(write_media(tmp_path / "a.mp4", video=Video(seconds=0.2, draw=quarters)))
    first = frame.bgr(64, 48)
    first[:] = 0
    assert corners(frame.bgr(64, 48)) == UPRIGHT
    assert frame.bgr(160, 120).flags.writeable


def test_a_size_of_zero_is_refused(tmp_path: Path) -> None:
    frame = first_frame(write_still(tmp_path / "a.png"))
    assert isinstance(frame, RecordedFrame)
    with pytest.raises(InputError, match="at least 1"):
        frame.bgr(0, 10)


def test_the_largest_of_several_pictures_is_the_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as out:
        tracks = []
        for width in (64, 128):
            track = out.add_stream("mpeg4", rate=25)
            track.width, track.height, track.pix_fmt = width, 48, "yuv420p"
            tracks.append(track)
        for track in tracks:
            for _ in range(5):
                for packet in track.encode(av.VideoFrame(track.width, 48, "yuv420p")):
                    out.mux(packet)
            for packet in track.encode(None):
                out.mux(packet)
    assert first_frame(path).size == (128, 48)


@pytest.mark.parametrize(
    "options",
    [
        {"bf": "3", "b_adapt": "0", "x264-params": "b-pyramid=none"},
        {"bf": "7", "b_adapt": "0", "x264-params": "b-pyramid=normal:ref=4"},
        {"bf": "3", "b_adapt": "0", "x264-params": "open-gop=1:keyint=15"},
        {"bf": "2", "x264-params": "interlaced=1"},
    ],
)
def test_pictures_left_out_while_decoding_change_no_other(tmp_path: Path, options: dict[str, str]) -> None:
    options = {"preset": "veryfast", **options}
    path = write_media(tmp_path / "a.mp4", video=Video(seconds=4, rate=30, options=options))
    every = {f.time: f.bgr(160, 120) for f in frames_of(items_of(path, frames_per_second=None))}
    assert len(every) == 120
    picked = frames_of(items_of(path))
    assert len(picked) == 20
    assert [f.time for f in picked] == pytest.approx([i / 5 for i in range(20)], abs=0.001)
    assert all(np.array_equal(f.bgr(160, 120), every[f.time]) for f in picked)
