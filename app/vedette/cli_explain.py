"""`vedette explain`: what carried the decision on a sound clip, as a picture and in numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vedette_base.errors import InputError, MediaError, OutputError

if TYPE_CHECKING:
    from vedette_audio.explain import Explanation, Look


def explain(
    clip: Annotated[Path, typer.Argument(help="Sound file, or a video with sound.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the picture.")] = Path("vedette-out"),
    label: Annotated[str, typer.Option(help="Whose evidence: gunshot, or a firearm.")] = "gunshot",
    at: Annotated[float | None, typer.Option(help="Explain the two seconds around this second.")] = None,
    windows: Annotated[int, typer.Option(min=1, max=20, help="Most windows to explain.")] = 3,
    model: Annotated[str, typer.Option(help="Bundle name or folder.")] = "audio",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line instead of text.")] = False,
) -> None:
    """Show which times and pitches made the sound model say what it says: does it listen to the shot?"""
    from vedette.report.explanation import picture, png
    from vedette.report.files import check_writable
    from vedette.sources.listen import read_sound
    from vedette_audio.explain import Explainer
    from vedette_base.bundle import load_bundle
    from vedette_base.media import SAMPLE_RATE
    from vedette_base.score import AUDIO_LABELS

    if label not in AUDIO_LABELS:
        raise InputError(f"no label {label!r}", hint=f"labels are {', '.join(AUDIO_LABELS)}")
    explainer = Explainer(load_bundle(model))
    samples = read_sound(clip)
    check_writable(out)
    try:
        found = explainer.explain(samples, SAMPLE_RATE, label=label, at=at, windows=windows)
    except InputError as error:  # the clip is at fault, not the command
        raise MediaError(f"{clip}: {error}", hint=error.hint) from error
    picture_file = out / f"{clip.name}.{found.label.replace(' ', '-')}.png"
    save(picture_file, png(picture(found, clip.name)))
    if as_json:
        typer.echo(json.dumps(as_dict(found, clip, picture_file)))
        return
    typer.echo(f"{clip}: evidence for {found.label}")
    for look in found.windows:
        for line in lines(look):
            typer.echo(line)
    typer.echo(f"written: {picture_file}", err=True)


def save(path: Path, content: bytes) -> None:
    """Write a file whole. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error


def lines(look: Look) -> list[str]:
    """An explained window in words."""
    found = [f"  {look.start:.2f} to {look.start + look.heard:.2f} s: {look.probability:.0%}"]
    if look.in_shots is not None:
        onsets = ", ".join(f"{onset:.2f}" for onset in look.onsets)
        found.append(
            f"    listens to the shot: {look.in_shots:.0%} of the evidence, in {look.time_in_shots:.0%} of "
            f"the time (shots at {onsets} s)"
        )
    elif not look.onsets:
        found.append("    nothing in it begins like a blast")
    else:
        found.append("    nothing in it speaks for this label")
    if look.without_shots is not None and look.only_shots is not None:
        found.append(
            f"    with the shots blanked {look.without_shots:.0%}, "
            f"with all but the shots blanked {look.only_shots:.0%}"
        )
    if look.evidence.any():
        bands = ", ".join(f"{name} {share:.0%}" for name, share in look.bands.items())
        found.append(f"    by pitch: {bands}")
    return found


def as_dict(found: Explanation, clip: Path, picture_file: Path) -> dict[str, Any]:
    """An explanation as `--json` prints it; null where there was no onset."""
    return {
        "path": str(clip),
        "label": found.label,
        "picture": str(picture_file),
        "windows": [
            {
                "start": round(look.start, 3),
                "end": round(look.start + look.heard, 3),
                "probability": round(look.probability, 4),
                "onsets": [round(onset, 3) for onset in look.onsets],
                "evidence_in_shots": _rounded(look.in_shots),
                "time_in_shots": _rounded(look.time_in_shots),
                "without_shots": _rounded(look.without_shots),
                "only_shots": _rounded(look.only_shots),
                "bands": {name: round(share, 4) for name, share in look.bands.items()},
            }
            for look in found.windows
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
