"""The base of every contract: frozen all the way down and closed."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_MESSAGE = 64 * 1024
"""The largest command or checkpoint body taken, in bytes."""
MAX_STATE = 640 * 1024
"""The largest state that travels, in bytes: in an answer, or in the command that forks from it."""
MAX_TEXT = 4000
"""The longest utterance, in characters."""

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
"""Something said: 1 to 4000 characters."""
Label = Annotated[str, Field(max_length=200)]
"""A short human name, up to 200 characters."""
Reason = Annotated[str, Field(max_length=1000)]
"""Why, in a sentence; up to 1000 characters."""
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A part of a whole, 0 to 1."""
Millis = Annotated[int, Field(ge=0, le=2**53)]
"""A duration in milliseconds, or a time in milliseconds since 1970-01-01 UTC."""


class Message(BaseModel):
    """Frozen and closed: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class Event(BaseModel):
    """What happened, as stored: past tense, never refused.

    Written by this program's version, read by older and newer ones: an unknown field of a stored
    event is kept out and ignored (a newer minor writer), a missing one takes its default. What
    that cannot bridge raises the schema version and gets an upcaster in :mod:`codec`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


def _json_text(value: str) -> str:
    try:
        json.loads(value)
    except ValueError as error:
        raise ValueError("must be JSON text") from error
    return value


JsonText = Annotated[str, Field(max_length=32 * 1024), AfterValidator(_json_text)]
"""Free data of the caller, as JSON text (so that a frozen message stays frozen); up to 32 KiB."""
