"""What a player could do next, and why.

One law: at most eight, the most urgent first, none twice and none that was dismissed; each has an
id that holds for one week of the player's calendar, so that a dismissal does too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from holodeck.actors.learner.player.days import begin_of, day_of, hour_of, week_of
from holodeck.actors.learner.player.history import PlayHistory
from holodeck.actors.learner.player.progress import (
    LAPSING,
    SKILLED,
    UNSKILLED,
    Summary,
    summary,
)
from holodeck.actors.learner.player.state import Feedback, Player

DAY_MS: Final = 86_400_000
MOST: Final = 8
MOST_OF_PROGRESS: Final = 6
MOST_PERSONAL: Final = 5
FELT_MS: Final = DAY_MS
"""How long what a player said of its stress counts, ms."""
HEARD_MS: Final = 7 * DAY_MS
"""How far back feedback counts, ms."""
WATCHED_MS: Final = 14 * DAY_MS
"""How far back a text that gave cause for concern counts, and what feedback led to, ms."""
STRESSED: Final = 0.8
UNSURE: Final = 0.5
SURE: Final = 0.7
UNSURE_AT_LEAST: Final = 3
AWAKE_MS: Final = 2 * 3_600_000
"""How long after playing one is told of the late hour, ms."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Something a player could do.

    Attributes:
        id: its name and the week it is for.
        priority: 1, the most urgent, to 5.
        expires_at: ms since 1970 UTC; 0: never.
        target: what it is about, such as a milestone's id; empty: the player.
    """

    id: str
    title: str
    type: str
    priority: int
    description: str = ""
    reasoning: str = ""
    target: str = ""
    expires_at: int = 0


class _Week:
    """Makes recommendations of one week."""

    def __init__(self, now: int, zone: tzinfo) -> None:
        self._name, after = week_of(day_of(now, zone))
        self._ends = begin_of(after, zone)

    def advice(
        self, name: str, priority: int, type: str, title: str, description: str, reasoning: str
    ) -> Recommendation:
        return Recommendation(
            id=f"{name}.{self._name}",
            title=title,
            type=type,
            priority=priority,
            description=description,
            reasoning=reasoning,
            expires_at=self._ends,
        )


def of_progress(told: Summary, now: int, zone: tzinfo) -> list[Recommendation]:
    """What progress suggests, at most six, the most urgent first.

    The source's 4.9; there the advice to come back is reached only by who never was there, who is
    welcomed here instead. Who was, and stays away, is offered times of its own.
    """
    week, seen = _Week(now, zone), told.engagement
    if not seen.sessions:
        return [
            week.advice(
                "welcome", 1, "getting_started", "Welcome: begin your first session",
                "Choose somebody to be and a place to go; you can stop whenever you like.",
                "nothing was played yet",
            )
        ]  # fmt: skip
    found: list[Recommendation] = []
    streak, going, risk = seen.current_streak, told.momentum, seen.dropout_risk
    if streak >= 7 and going >= 0.7:
        found.append(
            week.advice(
                "advance", 1, "advanced_challenge", "Try something more demanding",
                "Pick a world one step harder than the last.",
                f"{streak} days in a row, momentum {going:g}",
            )
        )  # fmt: skip
    elif streak >= 3 and going >= 0.6:
        found.append(
            week.advice(
                "keep-pace", 2, "engagement", "Keep this pace",
                "Go on as you do: a session a day, as long as you like it.",
                f"{streak} days in a row, momentum {going:g}",
            )
        )  # fmt: skip
    if risk > LAPSING:
        found.append(
            week.advice(
                "flexible", 2, "therapeutic_approach", "Play when it suits you",
                "A short session at a time of your own choosing is enough to go on.",
                "the last session was a while ago",
            )
        )  # fmt: skip
    if SKILLED in told.strengths:
        found.append(
            week.advice(
                "mastery", 3, "skill_building", "Bring your skills to mastery",
                "Use what you have learnt in a place that is new to you.",
                f"{told.skills} skills acquired",
            )
        )  # fmt: skip
    elif UNSKILLED in told.challenges:
        found.append(
            week.advice(
                "foundation", 2, "skill_building", "Lay a foundation",
                "Choose one technique and try it in each of the next sessions.",
                "fewer than two skills acquired",
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: one.priority)[:MOST_OF_PROGRESS]


_TOO_MUCH: Final = ("too fast", "overwhelming")
_TOO_LITTLE: Final = ("boring", "not engaging")


def personal(
    history: PlayHistory, player: Player | None, now: int, zone: tzinfo
) -> list[Recommendation]:
    """What the player said suggests, at most five, the most urgent first. The source's 4.10.

    A professional is recommended where a text of the last fourteen days gave cause for concern, or
    where what feedback led to was a guess (confidence up to 0.5) at least three times and more
    often than not; the source asks for a confidence below 0.3, which none of its rules gives.
    """
    week = _Week(now, zone)
    feedback: Sequence[Feedback] = () if player is None else player.feedback
    heard = [one for one in feedback if now - HEARD_MS <= one.at <= now]
    found: list[Recommendation] = []
    unsure = sum(_since(one.at, now) and one.confidence <= UNSURE for one in feedback)
    sure = sum(_since(one.at, now) and one.confidence > SURE for one in feedback)
    flagged = history.deeds.flagged_at and _since(history.deeds.flagged_at, now)
    if flagged or (unsure >= UNSURE_AT_LEAST and unsure > sure):
        found.append(
            week.advice(
                "consult", 1, "professional_support", "Talk to a professional",
                "What is played here does not replace somebody who is trained to help.",
                "something you wrote gave cause for concern" if flagged
                else "what you said could not be answered by other settings",
            )
        )  # fmt: skip
    ratings = [one.rating for one in heard if one.rating is not None]
    if ratings and sum(ratings) / len(ratings) < 3:
        found.append(
            week.advice(
                "intensity", 2, "intensity", "Adjust the intensity",
                "Sessions can be led more gently: lower the intensity in your settings.",
                f"ratings of the last seven days are {sum(ratings) / len(ratings):.1f} of 5",
            )
        )  # fmt: skip
    words = " ".join(one.text.casefold() for one in heard if one.text)
    if any(sign in words for sign in _TOO_MUCH):
        found.append(
            week.advice(
                "pacing", 2, "pacing", "Slow down",
                "A slower pace leaves room for what comes up.", "you said it was too much",
            )
        )  # fmt: skip
    if any(sign in words for sign in _TOO_LITTLE):
        found.append(
            week.advice(
                "variety", 3, "engagement", "Try another world",
                "Another place or another approach may be more to your liking.",
                "you said it was not engaging",
            )
        )  # fmt: skip
    if history.deeds.stress > STRESSED and now - FELT_MS <= history.deeds.stressed_at <= now:
        found.append(
            week.advice(
                "stress", 2, "stress_management", "Ease the stress",
                "Begin with something calming before you go on.",
                f"you put your stress at {history.deeds.stress:g} of 1",
            )
        )  # fmt: skip
    hour = hour_of(now, zone)
    if (hour < 6 or hour > 22) and 0 <= now - history.last_at <= AWAKE_MS:
        found.append(
            week.advice(
                "hour", 4, "timing", "Play at another time of the day",
                "Sessions late at night take more out of one than they give.",
                f"it is {hour} o'clock where you are",
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: one.priority)[:MOST_PERSONAL]


def _since(at: int, now: int) -> bool:
    return now - WATCHED_MS <= at <= now


def combined(
    progress: Iterable[Recommendation],
    own: Iterable[Recommendation],
    dismissed: Collection[str] = (),
    now: int = 0,
) -> list[Recommendation]:
    """Both in one list: of those with the same title and type the first, without what was
    dismissed or has expired, sorted by priority, at most eight. The source's 4.11."""
    first: dict[tuple[str, str], Recommendation] = {}
    for one in (*progress, *own):
        if one.id not in dismissed and (not one.expires_at or one.expires_at > now):
            first.setdefault((one.title, one.type), one)
    return sorted(first.values(), key=lambda one: one.priority)[:MOST]


def recommendations(
    history: PlayHistory,
    player: Player | None,
    now: int,
    zone: tzinfo,
    told: Summary | None = None,
) -> list[Recommendation]:
    """What a player is recommended at a moment; ``told``: its summary, if there is one already."""
    return combined(
        of_progress(told or summary(history, now, zone), now, zone),
        personal(history, player, now, zone),
        () if player is None else player.dismissed,
        now,
    )
