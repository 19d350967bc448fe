"""What happens when the learner says nothing.

One law: silence is answered by deadline, counted from the NPC's last words.
"""

from __future__ import annotations

from typing import Final

from holodeck.actors.decider import Moment
from holodeck.actors.session.state import SessionState
from holodeck.actors.session.talk.state import Talk
from holodeck.messages.conversation import SilenceStep, Tier
from holodeck.messages.talk import SilenceNoticed

LADDERS: Final[dict[int, tuple[tuple[int, SilenceStep], ...]]] = {
    1: ((5_000, SilenceStep.ENCOURAGE), (10_000, SilenceStep.SCAFFOLD)),
    2: (
        (3_000, SilenceStep.WAIT),
        (6_000, SilenceStep.CHECK_IN),
        (10_000, SilenceStep.WAY_OUT),
    ),
    3: ((10_000, SilenceStep.PAUSE),),
}
"""By tier: after how many ms which step is due."""
STALL_S: Final = 3.0


def silence_step(tier: Tier, seconds: float) -> SilenceStep | None:
    """The step of a tier's ladder that is reached after some silence; None: not even the first."""
    reached = [step for after_ms, step in LADDERS[tier] if seconds * 1000 >= after_ms]
    return reached[-1] if reached else None


def companion_steps_in(tier: Tier, seconds: float) -> bool:
    """Whether the learner has stalled so long that its companion helps with a word: more than
    three seconds, in tier 1 alone."""
    return tier == 1 and seconds > STALL_S


def deadline(talk: Talk) -> int | None:
    """When the next step of the ladder is due, ms since 1970 UTC; None: none is."""
    if not talk.spoke_at:
        return None
    ladder = LADDERS[talk.tier]
    return talk.spoke_at + ladder[talk.silence][0] if talk.silence < len(ladder) else None


def noticed(state: SessionState, talk: Talk, now: int) -> tuple[SilenceNoticed, ...]:
    """The step that is reached. A timer that comes late passes over those before it."""
    due = deadline(talk)
    if due is None or now < due:
        return ()
    waited = now - talk.spoke_at
    reached = [step for after_ms, step in LADDERS[talk.tier] if waited >= after_ms]
    npc = talk.silent_npc or None
    return (SilenceNoticed(turn=state.turns, step=reached[-1], after_ms=waited, npc=npc),)


# --- what the events change ----------------------------------------


def listens(talk: Talk, npc: str, tier: Tier, moment: Moment) -> None:
    """The NPC has said something and waits for the learner: the ladder begins."""
    talk.tier = tier
    talk.silent_npc, talk.silence = npc, 0
    talk.spoke_at, talk.spoke_seq = moment.at, moment.sequence


def again(talk: Talk, moment: Moment) -> None:
    """What ran before a pause, or in a parent, begins anew now."""
    if talk.spoke_at:
        talk.silence = 0
        talk.spoke_at, talk.spoke_seq = moment.at, moment.sequence


def on_silence(state: SessionState, event: SilenceNoticed, moment: Moment) -> None:
    if event.npc is not None:
        state.met.setdefault(event.npc, 0)
    talk = state.talk
    if talk is not None:
        steps = [step for _, step in LADDERS[talk.tier]]
        talk.silence = steps.index(event.step) + 1 if event.step in steps else len(steps)
        talk.spoke_seq = moment.sequence
        # The NPC's doing is no sign of the learner's life: its silence goes on.
        state.touched_at = moment.at - event.after_ms
