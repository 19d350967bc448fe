"""Everything about one learner, as lines of JSON, page by page.

One law: a page begins where the one before said and needs nothing that was kept in between; what
is somebody else's is in none.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from holodeck.actors.belongings import Belongings
from holodeck.actors.caller import Caller
from holodeck.broker.port import Broker, Record
from holodeck.broker.streams import Layout
from holodeck.messages.codec import unpack
from holodeck.messages.control import ExportLearner
from holodeck.messages.envelope import ReadState
from holodeck.messages.errors import DecodeError, RefusedError
from holodeck.messages.ids import new_id
from holodeck.messages.subjects import writer_filter

PAGE: Final = 256 * 1024
"""Characters of a page; as bytes they fit into a message four times over."""
KNOWN_S: Final = 60.0
"""How long what belongs to a learner is not looked for again, seconds."""

_Place = tuple[int, str, int]
"""Section, id and sequence."""
_LEARNER, _OWN, _SESSION, _RELATION = range(4)


class Exporting:
    """Exports learners."""

    def __init__(self, broker: Broker, layout: Layout, partitions: int, caller: Caller) -> None:
        self._ns = layout.ns
        self._journal = broker.log(layout.checkpoints)
        self._belongings = Belongings(broker, layout, partitions)
        self._caller = caller
        self._found: dict[str, tuple[float, list[tuple[str, bool]], list[str]]] = {}

    async def page(self, order: ExportLearner) -> dict[str, str]:
        """``text``: lines of JSON, the last of which may go on in the next page; ``next``: where
        that begins, empty behind the end.

        Raises:
            RefusedError: ``unknown-learner``, nothing is known of it; ``learner-erased``.
            DecodeError: ``after`` is none of ours.
            TransientError: somebody did not answer; ask again.
        """
        start, offset = _place(order.after)
        text = ""
        async for place, line in self._lines(order.learner, start):
            if place == start:
                line = line[offset:]
            else:
                offset = 0
            if not text:
                if len(line) > PAGE:
                    return {"text": line[:PAGE], "next": _told(place, offset + PAGE)}
            elif len(text) + len(line) > PAGE:
                return {"text": text, "next": _told(place, 0)}
            text += line
        return {"text": text, "next": ""}

    async def _lines(self, learner: str, start: _Place) -> AsyncIterator[tuple[_Place, str]]:
        """Every line from ``start`` on, each with its place."""
        section, name, sequence = start
        if section == _LEARNER:
            yield start, await self._learner(learner)
            section, sequence = _OWN, 0
        if section == _OWN:
            subjects = writer_filter(self._ns, "learner", self._belongings.p(learner), learner)
            async for record in self._journal.read(subjects, after=max(0, sequence - 1)):
                place = (_OWN, "", record.sequence)
                yield place, _line({"kind": "checkpoint", "learner": learner} | _shown(record))
            section, name, sequence = _SESSION, "", 0
        sessions, npcs = await self._of(learner)
        if section == _SESSION:
            for session, rehearsal in sessions:
                if session < name:
                    continue
                after = sequence if session == name else 0
                async for found in self._session(session, rehearsal, after):
                    yield found
            section, name = _RELATION, ""
        for npc in npcs:
            if npc >= name:
                answer = await self._caller.command(
                    "npc", npc, new_id("export"), ReadState(learner=learner)
                )
                state = unpack(answer.state or b"", npc)
                yield (_RELATION, npc, 0), _line({"kind": "relation", "npc": npc, "state": state})

    async def _learner(self, learner: str) -> str:
        answer = await self._caller.command("learner", learner, new_id("export"), ReadState())
        state = unpack(answer.state or b"", learner)
        if not state.get("checkpoints"):
            raise RefusedError("unknown-learner", learner)
        return _line({"kind": "learner", "learner": learner, "state": state})

    async def _session(
        self, session: str, rehearsal: bool, sequence: int
    ) -> AsyncIterator[tuple[_Place, str]]:
        if not sequence:
            try:
                answer = await self._caller.command(
                    "session", session, new_id("export"), ReadState()
                )
            except RefusedError as error:
                if error.reason in ("unknown-session", "session-erased"):
                    return
                raise
            head = {
                "kind": "session",
                "session": session,
                "rehearsal": rehearsal,
                "state": unpack(answer.state or b"", session),
            }
            yield (_SESSION, session, 0), _line(head)
        for record in await self._belongings.log_of(session, max(0, sequence - 1)):
            line = _line({"kind": "checkpoint", "session": session} | _shown(record))
            yield (_SESSION, session, record.sequence), line

    async def _of(self, learner: str) -> tuple[list[tuple[str, bool]], list[str]]:
        """Sessions and NPCs in order; looked for again after a while."""
        now = time.monotonic()
        self._found = {
            name: found for name, found in self._found.items() if found[0] > now - KNOWN_S
        }
        known = self._found.get(learner)
        if known is None:
            sessions, npcs = await self._belongings.find(learner)
            known = self._found[learner] = (now, sorted(sessions.items()), sorted(npcs))
        return known[1], known[2]


def _place(cursor: str) -> tuple[_Place, int]:
    if not cursor:
        return (_LEARNER, "", 0), 0
    try:
        section, name, sequence, offset = cursor.split("/")
        return (int(section), name, int(sequence)), int(offset)
    except ValueError as error:
        raise DecodeError("export", f"{cursor[:100]!r} is no place in an export") from error


def _told(place: _Place, offset: int) -> str:
    return "/".join(map(str, (*place, offset)))


def _shown(record: Record) -> dict[str, Any]:
    raw = unpack(record.data, record.subject)
    events = [_own(event) for event in raw.get("events", [])]
    return {"sequence": record.sequence, "at": raw.get("at", 0), "events": events}


def _own(event: dict[str, Any]) -> dict[str, Any]:
    """An event without what it says of others."""
    match event.get("kind"):
        case "emergence.detected":
            crossing = event.get("crossing") or {}
            told = {k: v for k, v in crossing.items() if k not in ("members", "edge")}
            return event | {"crossing": told}
        case "session.forked":
            return event | {"state": unpack(event.get("state", b""), "fork")}
        case _:
            return event


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
