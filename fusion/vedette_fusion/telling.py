"""A candidate interval as a `ThreatEvent`: kind, level, probability and reasons of one revision."""

from __future__ import annotations

from dataclasses import replace

from vedette_base.bursts import rank_families, rank_firearms
from vedette_base.config import FusionConfig
from vedette_base.errors import InputError
from vedette_base.score import Kind, Medium, Segment, State, ThreatEvent
from vedette_fusion import wording
from vedette_fusion.align import Aligner, Memory
from vedette_fusion.candidates import Burst, Candidate, Stay
from vedette_fusion.combine import Evidence, combine
from vedette_fusion.ranking import level_of


class Teller:
    """Writes revisions: weighs what a candidate gathered, and says so.

    Args:
        config: of the fuser.
        aligner: knows what each sense observed.
        seen: the last picture scores.
    """

    def __init__(self, config: FusionConfig, aligner: Aligner, seen: Memory) -> None:
        self._config = config
        self._aligner = aligner
        self._seen = seen

    def event(self, candidate: Candidate, state: State, clock: float) -> ThreatEvent:
        """The next revision of a burst or a stay as it stands at ``clock`` seconds."""
        if isinstance(candidate, Burst):
            return self._burst(candidate, state, clock)
        if isinstance(candidate, Stay):
            return self._stay(candidate, state, clock)
        raise InputError(f"a candidate is a burst or a stay, got {type(candidate).__name__}")

    def retraction(self, candidate: Candidate, told: ThreatEvent) -> ThreatEvent:
        """The last revision of an event whose support vanished: nothing but the prior is left of it."""
        medium: Medium = "audio" if isinstance(candidate, Burst) else "vision"
        nothing = Evidence(medium, "", told.start, 0.0, 1.0, 0.0)
        other: Medium = "vision" if medium == "audio" else "audio"
        texts = self._texts(
            **{
                medium: wording.withdrawn_text(medium, candidate.claimed),
                other: "not weighed any more",
            }
        )
        probability, reasons = combine(nothing, None, 0.0, texts, self._config)
        return replace(
            told,
            revision=told.revision + 1,
            state="retracted",
            level=level_of(probability, told.kind, self._config),
            probability=probability,
            reasons=reasons,
        )

    def _burst(self, burst: Burst, state: State, clock: float) -> ThreatEvent:
        assert burst.heard is not None  # it was born of a sound and refreshed since
        stays = sorted((s for s in burst.stays.values() if s.ready(clock)), key=lambda s: (s.start, s.id))
        window = burst.window()
        views = [(s, s.seen_in(window, self._seen)) for s in stays]
        best = min(
            ((s, e) for s, e in views if e is not None),
            key=lambda v: (-v[1].net * v[0].nearness(burst), v[1].time, v[0].id),
            default=None,
        )
        stay, view = best if best else (None, None)
        nothing = self._nothing("vision", window, clock)
        texts = self._texts(
            audio=wording.heard_text(burst, burst.heard),
            vision=wording.seen_text(stay, view) if stay and view else nothing,
            look_alike=wording.look_alike_text(view) if view else "",
            coincidence=wording.coincidence_text(burst, stay, self._config) if stay else "",
        )
        nearness = stay.nearness(burst) if stay else 0.0
        probability, reasons = combine(burst.heard, view, nearness, texts, self._config)
        agree = view is not None and view.net > 0 and burst.heard.net > 0
        kind: Kind = "armed_attack" if agree else "gunshot"
        types, support = burst.types(), self._config.type_support
        return ThreatEvent(
            id=burst.id,
            revision=burst.told.revision + 1 if burst.told else 1,
            state=state,
            kind=kind,
            level=level_of(probability, kind, self._config),
            probability=probability,
            start=burst.start,
            end=burst.span.end,
            shots=tuple(burst.shots),
            firearms=rank_firearms(types, support),
            tracks=tuple(track for s in stays for track in s.weapons),
            related=tuple(s.id for s in stays),
            reasons=reasons,
            bursts=burst.bursts(),
            families=rank_families(types, support),
        )

    def _stay(self, stay: Stay, state: State, clock: float) -> ThreatEvent:
        assert stay.seen is not None  # it was born of a sight and refreshed since
        best = stay.heard()
        sound, burst = best if best else (None, None)
        window = Segment(stay.start, stay.span.end + self._config.weapon_before)
        bursts = [b for b in stay.bursts.values() if b.ready(clock)]
        nothing = self._nothing("audio", window, clock)
        texts = self._texts(
            audio=wording.heard_text(burst, sound) if burst and sound else nothing,
            vision=wording.seen_text(stay, stay.seen),
            look_alike=wording.look_alike_text(stay.seen),
            coincidence=wording.coincidence_text(burst, stay, self._config) if burst else "",
        )
        nearness = stay.nearness(burst) if burst else 0.0
        probability, reasons = combine(stay.seen, sound, nearness, texts, self._config)
        return ThreatEvent(
            id=stay.id,
            revision=stay.told.revision + 1 if stay.told else 1,
            state=state,
            kind="visible_weapon",
            level=level_of(probability, "visible_weapon", self._config),
            probability=probability,
            start=stay.start,
            end=stay.span.end,
            tracks=tuple(stay.weapons),
            related=tuple(b.id for b in sorted(bursts, key=lambda b: (b.start, b.id))),
            reasons=reasons,
        )

    def _nothing(self, medium: Medium, window: Segment, clock: float) -> str:
        span = Segment(min(window.start, clock), min(window.end, clock))
        return wording.nothing_text(medium, self._aligner.observed(medium, span))

    def _texts(self, **texts: str) -> dict[str, str]:
        common = {
            "prior": wording.prior_text(self._config),
            "sensitivity": f"sensitivity set to {self._config.sensitivity}",
        }
        return {**common, **texts}
