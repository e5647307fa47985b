#!/usr/bin/env python3
"""Is memory flat with length? The same clip repeated to two minutes and to two hours: peak memory of each.

The design allows the long one 10 % more. A small picture keeps it quick; ``--clip`` takes another.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from conditions import DATASETS
from jobs import measured
from recordings import repeat

CLIP = DATASETS / "clips" / "range_pistol.mp4"
ALLOWED = 1.10


def main() -> None:
    """Make both recordings, analyse each in its own process with every output, print the ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, default=CLIP, help="clip with picture and sound to repeat")
    parser.add_argument("--short", type=float, default=2.0, help="minutes of the short recording")
    parser.add_argument("--long", type=float, default=120.0, help="minutes of the long recording")
    parser.add_argument("--job", default="command", choices=("command", "vedette", "decode"))
    options = parser.parse_args()
    if not options.clip.is_file():
        parser.error(f"{options.clip} is not there: name another with --clip")
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in (options.short, options.long):
            file = Path(folder) / f"{minutes:g}-minutes.mp4"
            repeat(file, 60 * minutes, picture=options.clip, sound=options.clip)
            result = measured(options.job, file)
            peaks.append(result["peak"])
            print(
                f"{minutes:6g} min: peak {result['peak'] / 1e6:6.0f} MB, {result['work']:.1f} s", flush=True
            )
            file.unlink()
    ratio = peaks[1] / peaks[0]
    print(f"ratio {ratio:.3f}: {'met' if ratio <= ALLOWED else 'MISSED'} (at most {ALLOWED:.2f})")


if __name__ == "__main__":
    main()
