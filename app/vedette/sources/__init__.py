"""Where media comes from: recordings, and later streams and devices."""

from vedette.sources.files import FRAMES_PER_SECOND, FileSource, open_source
from vedette.sources.frames import Orientation, RecordedFrame
from vedette.sources.probe import ENDINGS, find_recordings, is_recording, probe
from vedette.sources.recorder import order_pieces

__all__ = [
    "ENDINGS",
    "FRAMES_PER_SECOND",
    "FileSource",
    "Orientation",
    "RecordedFrame",
    "find_recordings",
    "is_recording",
    "open_source",
    "order_pieces",
    "probe",
]
