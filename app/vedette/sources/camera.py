"""A camera plugged into this machine as a source of pictures, through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from vedette_base.errors import MediaError
from vedette_base.media import MediaItem, SourceInfo
from vedette_vision.detector import ImageFrame


class CameraSource:
    """Camera ``number`` (0 is the first) as a ``vedette_base.media.Source``; second 0 is its first picture.

    Raises:
        MediaError: there is no such camera, or something else uses it.
    """

    def __init__(self, number: int) -> None:
        import cv2

        self._name = f"camera:{number}"
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # or every driver complains
        self._camera = cv2.VideoCapture(number)
        cv2.utils.logging.setLogLevel(level)
        if not self._camera.isOpened():
            raise MediaError(
                f"{self._name}: there is no such camera, or something else uses it",
                hint="plug it in, close other programs, or try camera:1",
            )
        size = (
            int(self._camera.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._camera.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        self._info = SourceInfo(self._name, None, False, True, size if min(size) > 0 else None)

    @property
    def info(self) -> SourceInfo:
        """What is known before it is read."""
        return self._info

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing goes wrong with a camera without ending it."""
        return ()

    def __iter__(self) -> Iterator[MediaItem]:
        began = time.monotonic()
        while True:
            given, image = self._camera.read()
            if not given:
                raise MediaError(f"{self._name}: gives no more pictures", hint="was it unplugged?")
            yield ImageFrame(np.asarray(image, np.uint8), time=time.monotonic() - began, still=False)

    def close(self) -> None:
        """Let go of the camera. May be called again."""
        self._camera.release()
