"""The sessions a projection is being told of: their views, as many as fit, the rest by reading.

One law: what is in memory is only ever a shortcut; a view that is not there is folded again from
its session's checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from holodeck.actors.projections.port import History, Step
from holodeck.actors.projections.view import SessionView, erases, opens
from holodeck.messages.player import LearnerErased

HELD: Final = 20_000
"""Views in memory; a view takes one to ten kilobytes."""


@dataclass(slots=True)
class Told:
    """What a batch of checkpoints says of sessions and players, as it stands after it.

    Attributes:
        changed: views by session, in the order they were last written.
        gone: erased sessions; players: erased players. Both go before what ``changed`` says.
    """

    changed: dict[str, SessionView] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    players: set[str] = field(default_factory=set)


class Sessions:
    """The views of one projection.

    Attributes:
        history: where those that are not in memory are read.
    """

    def __init__(self, history: History, held: int = HELD) -> None:
        self.history, self._held = history, held
        self._views: dict[str, SessionView] = {}

    async def take(self, steps: Sequence[Step]) -> Told:
        """Folds checkpoints, in order.

        Raises:
            Unavailable, BrokerError: an earlier checkpoint of one of them cannot be read now; the
                same steps may be given again.
        """
        told = Told()
        for step in steps:
            if step.place.kind == "session":
                await self._session(step, told)
            else:
                for player in erased(step):
                    self._erase(player, told)
        while len(self._views) > self._held:
            del self._views[next(iter(self._views))]
        return told

    def player_of(self, session: str) -> str | None:
        """Whose session it is; None: nobody's who learns, or it is not in memory."""
        view = self._views.get(session)
        return view.player if view is not None and view.player else None

    async def _session(self, step: Step, told: Told) -> None:
        identity = step.place.identity
        if erases(step):
            self._views.pop(identity, None)
            told.changed.pop(identity, None)
            told.gone.add(identity)
            return
        view = self._views.pop(identity, None)
        if view is None:
            view = SessionView(identity)
            if not opens(step):
                for earlier in await self.history.of(identity, step.sequence):
                    view.take(earlier)
        self._views[identity] = view  # the last one is the one last used
        if view.take(step):
            told.changed.pop(identity, None)
            told.changed[identity] = view

    def _erase(self, player: str, told: Told) -> None:
        told.players.add(player)
        for views in (self._views, told.changed):
            for identity in [one for one, view in views.items() if view.player == player]:
                del views[identity]


def erased(step: Step) -> Iterator[str]:
    """The players a checkpoint forgets."""
    if step.place.kind == "learner":
        for event in step.events:
            if type(event) is LearnerErased:
                yield step.place.identity
