"""What can go wrong, sorted by what the receiver must do next.

One law: :class:`ContractError` and :class:`RefusedError` are told to the sender and not retried,
:class:`TransientError` may be retried with the same command id, anything else is a bug.

Every error hands all its constructor arguments to ``super().__init__``, or pickle could not
rebuild it on the other side of a process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from holodeck.messages.player import SafetyFinding


class HolodeckError(Exception):
    """Base of every error raised on purpose."""

    code: str = "error"

    def __str__(self) -> str:
        """What happened; without words of its own, what its class says."""
        return super().__str__() or (type(self).__doc__ or "").partition("\n")[0]


# --- the message is wrong in itself ----------------------------------------


class ContractError(HolodeckError):
    """The message is wrong in itself: sending it again cannot help."""

    code = "contract"


class InvalidId(ContractError):
    """A name that cannot be a single subject token."""

    code = "invalid-id"

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        shown = self.value if len(self.value) <= 80 else self.value[:77] + "..."
        return f"{shown!r} is no valid id: 1 to 64 of A-Z a-z 0-9 _ -, first a letter or digit"


class DecodeError(ContractError):
    """Bytes on a subject are no message we know."""

    code = "undecodable"

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(subject, reason)
        self.subject, self.reason = subject, reason

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


class FutureSchema(DecodeError):
    """A message of a newer schema than this program knows; upgrade the program."""

    code = "future-schema"


class TooLarge(ContractError):
    """A message over the size limit."""

    code = "too-large"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(size, limit)
        self.size, self.limit = size, limit

    def __str__(self) -> str:
        return f"{self.size} bytes, at most {self.limit} are taken"


class SettingsError(ContractError):
    """A setting that cannot work, by name, with the remedy."""

    code = "settings"

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(setting, problem)
        self.setting, self.problem = setting, problem

    def __str__(self) -> str:
        return f"{self.setting}: {self.problem}"


# --- a sound command that the present state forbids ----------------------------------------


class RefusedError(HolodeckError):
    """A sound command that the actor's present state forbids.

    Attributes:
        reason: a stable word for programs, such as ``session-not-active``.
        detail: one sentence or value for people.
        safety: what gave cause for concern in the text that was refused; None: nothing.
    """

    code = "refused"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail
        self.safety: SafetyFinding | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


# --- the world failed ----------------------------------------


class TransientError(HolodeckError):
    """The world failed; the same command may succeed later under the same id."""

    code = "transient"


class Busy(TransientError):
    """The actor's mailbox is full."""

    code = "busy"


class Moved(TransientError):
    """Another host owns the actor now."""

    code = "moved"


class Unavailable(TransientError):
    """Nobody answered before the deadline; whether the command took effect is unknown."""

    code = "unavailable"

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(subject, reason)
        self.subject, self.reason = subject, reason

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"


class NoResponder(TransientError):
    """No one listens on the subject right now."""

    code = "no-responder"


class StoreFull(TransientError):
    """The stream has reached its limit and takes nothing more until space is made."""

    code = "store-full"


class LostFence(TransientError):
    """Somebody else wrote since the sequence this append expected.

    Attributes:
        last: the sequence the broker reports as last, 0 when it did not say.
    """

    code = "lost-fence"

    def __init__(self, last: int = 0) -> None:
        super().__init__(last)
        self.last = last

    def __str__(self) -> str:
        return f"the last sequence is {self.last}"


class OutcomeUnknown(TransientError):
    """No answer to an append in time; read the tail before deciding."""

    code = "outcome-unknown"


class BrokerError(TransientError):
    """The broker refused an operation for another reason."""

    code = "broker"

    def __init__(self, operation: str, reason: str, api_code: int = 0) -> None:
        super().__init__(operation, reason, api_code)
        self.operation, self.reason, self.api_code = operation, reason, api_code

    def __str__(self) -> str:
        return f"{self.operation}: {self.reason}"


class StartupError(HolodeckError):
    """Something needed at start is missing or taken; the text says what and the remedy."""

    code = "startup"

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem, self.remedy = problem, remedy

    def __str__(self) -> str:
        return f"{self.problem}. {self.remedy}"


REPLY_ERRORS: Final[dict[str, type[TransientError]]] = {"busy": Busy, "moved": Moved}
"""The transient answers an actor gives on the wire, by their code."""
