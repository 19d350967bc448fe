"""What may be said to a learner actor, and the edits it makes of its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from holodeck.messages.base import Event, Message
from holodeck.messages.ids import SessionId


class ClaimLearner(Message):
    """Reserves the learner for one session, before that session starts or resumes.

    Attributes:
        after: decide only once the fold has this sequence (0: as it stands). Who was told that
            the claimed session ended at a sequence asks again with it.
        void: number of a claim that is known to be worth nothing, because its session has ended,
            gave up, or is another learner's; it is passed over.
    """

    kind: Literal["claim"] = "claim"
    session: SessionId
    after: Annotated[int, Field(ge=0)] = 0
    void: Annotated[int, Field(ge=0)] = 0


LearnerCommand = Annotated[ClaimLearner, Field()]


class LearnerClaimed(Event):
    """The learner is reserved; the checkpoint's own sequence is the claim's number."""

    kind: Literal["learner.claimed"] = "learner.claimed"
    session: SessionId


LearnerEvent = Annotated[LearnerClaimed, Field()]
LEARNER_COMMAND: TypeAdapter[LearnerCommand] = TypeAdapter(LearnerCommand)
