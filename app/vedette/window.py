"""A live window, through OpenCV."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import cv2

from vedette_base.errors import MissingDependencyError
from vedette_base.media import Pixels

LONGEST: Final = 1280  # pixels of what is shown
_ESCAPE: Final = 27
_PATIENCE: Final = 20.0  # seconds for a first window
_TRIAL: Final = "import cv2; cv2.namedWindow('Vedette'); cv2.waitKey(1); cv2.destroyAllWindows()"


def check_display() -> None:
    """Try a window in a process of its own: without a display Qt ends the process that asks for one.

    Raises:
        MissingDependencyError: there is no display, or this OpenCV has no windows.
    """
    try:
        opened = subprocess.run(
            [sys.executable, "-c", _TRIAL], capture_output=True, timeout=_PATIENCE, check=False
        )
        works = opened.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        works = False
    if not works:
        raise MissingDependencyError(
            "no window can be shown: there is no display here, or this OpenCV has no windows",
            hint="leave --show away and use --out FOLDER; over SSH: ssh -X",
        )


class Window:
    """Shows pictures until somebody closes it: with q, Esc, or its own button."""

    def __init__(self, title: str = "Vedette") -> None:
        check_display()
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE)

    def show(self, picture: Pixels, *, wait: bool = False) -> bool:
        """Show ``(height, width, 3)`` BGR; ``wait`` for a key as a still needs. False: it was closed."""
        cv2.imshow(self._title, picture)
        while True:
            key = cv2.waitKey(50 if wait else 1)
            if key >= 0 and key & 0xFF in (ord("q"), _ESCAPE):
                return False
            if cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
                return False
            if key >= 0 or not wait:
                return True

    def close(self) -> None:
        """Take it off the screen."""
        cv2.destroyAllWindows()
