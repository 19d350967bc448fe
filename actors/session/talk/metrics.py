"""The eight figures a session is told by.

One law: where there is nothing to divide by, the answer is None; 0.0 is an answer of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from holodeck.actors.session.talk.record import Record, Step, read
from holodeck.messages.conversation import ConversationOutcome, SessionMetrics
from holodeck.messages.session import TurnTaken

TASK_TIERS: Final = frozenset({2, 3})
"""Tiers whose conversations are tasks; in a companion's nothing is to be completed."""
_MINUTE_MS: Final = 60_000


def share(part: float, whole: float) -> float | None:
    """``part / whole``, 0 to 1 and rounded to six digits; None where ``whole`` is nothing."""
    return None if whole <= 0 else round(max(0.0, min(1.0, part / whole)), 6)


def friction_rate(frictions: int, minutes: float) -> float | None:
    """Frictions a minute of active time; None for a session that took none."""
    return None if minutes <= 0 else round(frictions / minutes, 6)


def running_rate(frictions: int, active_ms: int) -> float:
    """The same while a session runs: its first minute counts as a whole one, so that one slip
    in the first seconds is no storm."""
    return round(frictions / max(1.0, active_ms / _MINUTE_MS), 6)


def code_switch_ratio(l1_words: int, words: int, tier: int = 1) -> float | None:
    """Words of the native language of all words; None without words, and in tiers other than 1,
    where nobody is meant to switch."""
    return share(l1_words, words) if tier == 1 else None


def task_completion_rate(
    conversations: Iterable[tuple[int, ConversationOutcome | str]],
    tiers: Collection[int] = TASK_TIERS,
) -> float | None:
    """Conversations that were completed successfully of those that were begun.

    Args:
        conversations: tier and outcome of each.
        tiers: those that count; None where no conversation was of one of them.
    """
    outcomes = [outcome for tier, outcome in conversations if tier in tiers]
    return share(outcomes.count(ConversationOutcome.COMPLETED), len(outcomes))


def register_accuracy(fitting: int, judged: int, tier: int = 3) -> float | None:
    """Turns whose formality fitted of those somebody judged; None in tiers other than 3."""
    return share(fitting, judged) if tier == 3 else None


def comprehensibility(scores: Collection[float]) -> float | None:
    """The mean of the utterances' scores, 0 to 1; None where nothing was scored."""
    return share(sum(scores), len(scores))


def words_per_minute(words: int, speaking_ms: int) -> float | None:
    """Words by the minutes it took to say them, not by those of the session."""
    return None if speaking_ms <= 0 else round(words * _MINUTE_MS / speaking_ms, 6)


def recovery_rate(recovered: int, frictions: int) -> float | None:
    """Frictions the conversation went on in spite of, of all; None where there were none."""
    return share(recovered, frictions)


def reputation_delta(changes: Iterable[tuple[str, float]]) -> dict[str, float]:
    """By NPC, the sum of its changes as they were told, whatever a limit made of them."""
    sums: dict[str, float] = {}
    for npc, delta in changes:
        sums[npc] = sums.get(npc, 0.0) + delta
    return {npc: round(total, 6) for npc, total in sums.items()}


def words_of(turn: TurnTaken) -> int:
    """Words of a turn: those its analysis counted, else what stands between spaces."""
    told = turn.analysis
    counted = 0 if told is None else told.l1_words + told.l2_words + told.other_words
    return counted or len(turn.text.split())


def metrics(steps: Iterable[Step]) -> SessionMetrics:
    """The eight figures of a session; as far as it has come, if it has not ended.

    Raises:
        RefusedError: ``unknown-session``, the checkpoints do not hold its start.
    """
    return measured(read(steps))


def measured(record: Record) -> SessionMetrics:
    """The figures of a session that was read.

    Language is counted over analysed turns of tier 1, register over judged turns of tier 3,
    speed over turns whose speaking time is known. An utterance's comprehensibility is what a
    pronunciation engine heard, else what its analysis estimates.
    """
    turns = [said.taken for said in record.said if said.taken is not None]
    heard = {event.turn: event.comprehensibility for event in record.heard}
    scores = list(heard.values())
    for turn in turns:
        told = None if turn.analysis is None else turn.analysis.comprehensibility
        if told is not None and turn.turn not in heard:
            scores.append(told)
    analysed = [turn.analysis for turn in turns if turn.analysis is not None and turn.tier == 1]
    l1 = sum(told.l1_words for told in analysed)
    words = l1 + sum(told.l2_words + told.other_words for told in analysed)
    judged = [turn.aligned for turn in turns if turn.tier == 3 and turn.aligned is not None]
    spoken = [turn for turn in turns if turn.speaking_ms]
    spoken_ms = sum(turn.speaking_ms or 0 for turn in spoken)
    met = [one for one in record.meetings.values() if one.heard]
    return SessionMetrics(
        task_completion_rate=task_completion_rate((one.tier, one.outcome) for one in met),
        friction_rate=friction_rate(len(record.struggles), record.active_ms / _MINUTE_MS),
        code_switch_ratio=code_switch_ratio(l1, words),
        register_accuracy_score=register_accuracy(sum(judged), len(judged)),
        average_comprehensibility=comprehensibility(scores),
        words_per_minute=words_per_minute(sum(map(words_of, spoken)), spoken_ms),
        total_speaking_time_seconds=spoken_ms / 1000,
        recovery_rate=recovery_rate(
            sum(one.recovered for one in record.struggles), len(record.struggles)
        ),
        reputation_delta=_deltas(record),
    )


def _deltas(record: Record) -> dict[str, float]:
    return reputation_delta((event.npc, event.delta) for event, _ in record.moved)
