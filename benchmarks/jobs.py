"""What is measured, each in a process of its own: ``python benchmarks/jobs.py NAME FILE`` prints JSON.

``start`` is what comes before the first frame (imports, loading and compiling models), ``work`` the rest,
both in seconds of wall-clock time; ``processor`` is the processor time of ``work``, which other programs
disturb less; ``peak`` is the largest resident memory in bytes.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Times = tuple[float, float, float]
"""Start, work and processor time of the work, seconds."""

LOOKS_PER_SECOND = 5.0
WINDOW, HOP, RATE = 2.0, 0.5, 48_000  # s, s, Hz


def decode(file: Path) -> Times:
    """Decode every frame and every block of sound with PyAV and look at none: as fast as it gets."""
    import av

    began, busy = time.perf_counter(), time.process_time()
    with av.open(str(file)) as container:
        for stream in container.streams:
            stream.thread_type = "AUTO"
        for packet in container.demux():
            for _ in packet.decode():
                pass
    return 0.0, time.perf_counter() - began, time.process_time() - busy


def plain(file: Path) -> Times:
    """What one would write in an afternoon: OpenCV and Ultralytics; PyAV, torchaudio and timm."""
    begin = time.perf_counter()
    import cv2
    import timm
    import torch
    import torchaudio
    from ultralytics import YOLO

    detector = YOLO("yolo11n.yaml", task="detect", verbose=False)
    listener = timm.create_model("resnet50", pretrained=False, in_chans=1, num_classes=10).eval()
    mel = torchaudio.transforms.MelSpectrogram(
        RATE, n_fft=2048, hop_length=512, n_mels=128, f_min=50, f_max=16e3
    )
    began, busy = time.perf_counter(), time.process_time()

    video = cv2.VideoCapture(str(file))
    step = max(1, round(video.get(cv2.CAP_PROP_FPS) / LOOKS_PER_SECOND))
    number = 0
    while True:
        there, frame = video.read()
        if not there:
            break
        if number % step == 0:
            detector.predict(frame, imgsz=640, verbose=False)
        number += 1
    video.release()

    samples = sound_of(file)
    windows = samples.unfold(0, int(WINDOW * RATE), int(HOP * RATE)) if samples.numel() else samples[:0, None]
    with torch.inference_mode():
        for batch in windows.split(8):
            listener(mel(batch).clamp(min=1e-10).log().unsqueeze(1))
    return began - begin, time.perf_counter() - began, time.process_time() - busy


def sound_of(file: Path) -> Any:
    """All of a recording's sound at once, 48 kHz mono, as a torch tensor of shape ``(n,)``."""
    import av
    import numpy as np
    import torch

    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(file)) as container:
        if not container.streams.audio:
            return torch.zeros(0)
        blocks = [
            block.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for block in resampler.resample(frame)
        ]
    return torch.from_numpy(np.concatenate(blocks))


def vedette(file: Path) -> Times:
    """Vedette's analysis with shipped models and default settings."""
    begin = time.perf_counter()
    import av

    from vedette.api import Analyzer, RecordingOptions

    with av.open(str(file)) as container:
        senses = "both" if container.streams.video else "audio"
    analyzer = Analyzer(senses=senses)
    analyzer.run(file, RecordingOptions(end=1.0))  # loads and compiles the models
    began, busy = time.perf_counter(), time.process_time()
    analyzer.run(file)
    return began - begin, time.perf_counter() - began, time.process_time() - busy


def every_window(file: Path) -> Times:
    """Vedette on the sound alone, with every window scored."""
    return _sound(file, gate=False)


def with_gate(file: Path) -> Times:
    """Vedette on the sound alone, with the impulse gate."""
    return _sound(file, gate=True)


def _sound(file: Path, *, gate: bool) -> Times:
    begin = time.perf_counter()
    from vedette.api import Analyzer, RecordingOptions
    from vedette_base.config import AudioConfig

    analyzer = Analyzer(senses="audio", audio=AudioConfig(gate=gate))
    analyzer.run(file, RecordingOptions(end=10.0))  # loads and compiles the models
    began, busy = time.perf_counter(), time.process_time()
    analyzer.run(file)
    return began - begin, time.perf_counter() - began, time.process_time() - busy


def command(file: Path) -> Times:
    """``vedette analyze`` as typed: from start to exit, with its report and every other file."""
    with tempfile.TemporaryDirectory() as out:
        return _command("analyze", str(file), "--out", out)


def help_page(file: Path) -> Times:
    """``vedette --help``, from start to exit; the file is not read."""
    del file
    return _command("--help")


def _command(*arguments: str) -> Times:
    """A command from start to exit."""
    began = time.perf_counter()
    run = [sys.executable, "-c", "from vedette.cli import main; main()", *arguments]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    work = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 0.0, work, used.ru_utime + used.ru_stime


JOBS: dict[str, Callable[[Path], Times]] = {
    job.__name__: job for job in (decode, plain, vedette, every_window, with_gate, command, help_page)
}


def peak_memory(name: str) -> int:
    """Largest resident memory so far, bytes.

    Of this process by ``VmHWM``: unlike ``ru_maxrss`` it does not begin with that of the parent process.
    """
    if name in (command.__name__, help_page.__name__):
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not tell VmHWM")


def measured(name: str, file: Path) -> dict[str, float]:
    """Run a job in a fresh process; its result as a dict of ``start``, ``work`` and ``peak``."""
    done = subprocess.run(
        [sys.executable, __file__, name, str(file)], stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    started, worked, busy = JOBS[sys.argv[1]](Path(sys.argv[2]))
    result = {"start": started, "work": worked, "processor": busy, "peak": peak_memory(sys.argv[1])}
    print(json.dumps(result))
