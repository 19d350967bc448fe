"""Sessions in the archive, where a host dies while it puts them there, and after."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holodeck.actors.host import HEADER_BYTES, HEADER_LEARNER, Host
from holodeck.actors.table import ERASURES
from holodeck.broker import find_server
from holodeck.broker.port import Entry
from holodeck.deck import Deck
from holodeck.messages.envelope import HEADER_PARENT
from holodeck.messages.errors import StartupError, Unavailable
from holodeck.messages.subjects import writer_filter
from holodeck.session import Session, Step
from tests.conftest import missing
from tests.player_experience.integration.lives import in_files
from tests.runtime.stage import Stage, until

pytestmark = [pytest.mark.integration, pytest.mark.nats]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    try:
        find_server()
    except StartupError as error:
        missing(f"nats-server ({error})")
    async with Stage(tmp_path) as made:
        yield made


async def steps(session: Session) -> list[Step]:
    return [step async for step in session.replay()]


def host(stage: Stage) -> Host:
    made = stage.keepers[0].host
    assert made is not None
    return made


async def passed(stage: Stage, session: Session) -> tuple[int, Entry]:
    """The session's partition and its note, once everybody has passed its end."""
    at = host(stage)
    end = (await session.state()).touched
    note = ""

    async def ready() -> bool:
        await at._flush_all()
        return await at._passed() >= end

    await until(ready, 20.0)
    partition = at._partition(session.id)
    note = f"ended.{partition}.{session.id}"
    entry = await stage.broker.bucket(stage.layout.live).get(note)
    assert entry is not None
    return partition, entry


async def ended(deck: Deck, learner: str = "ana") -> Session:
    session = await deck.start_session(learner=learner, cast=("marta",))
    for number in range(4):
        await session.take_turn(f"turn MARK {number}", to="marta")
    await session.end()
    return session


async def test_a_log_taken_out_in_part_is_whole_when_it_is_gone_on_with(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = await stage.begun_here(1)
    session = await ended(deck)
    before = await steps(session)
    partition, note = await passed(stage, session)
    at, journal = host(stage), host(stage).journal
    delete, count = journal.delete, 0

    async def dies(sequence: int, *, overwrite: bool = True) -> None:
        nonlocal count
        count += 1
        if count > 3:
            raise Unavailable("delete", "the host died")
        await delete(sequence, overwrite=overwrite)

    monkeypatch.setattr(journal, "delete", dies)
    with pytest.raises(Unavailable):
        await at._archive_session(partition, session.id, note.key, True)
    assert await steps(session) == before
    monkeypatch.undo()

    await at._archive_session(partition, session.id, note.key, True)

    subjects = writer_filter(stage.layout.ns, "session", partition, session.id)
    assert await stage.broker.log(stage.layout.checkpoints).tail(subjects, 0) == []
    assert await steps(session) == before
    assert (await session.state()).turns == 4
    again = await session.fork()
    assert (await again.state()).turns == 4


async def test_what_leaves_the_journal_is_overwritten_there(stage: Stage) -> None:
    deck = await stage.begun_here(1)
    for overwrite, learner in ((True, "ana"), (False, "ben")):
        session = await ended(deck, learner)
        folder = stage.folder / "nats" / "jetstream"
        partition, note = await passed(stage, session)
        before = _marks(folder)
        await host(stage)._archive_session(partition, session.id, note.key, overwrite)
        assert _marks(folder) == (0 if overwrite else before)
        entry = await stage.broker.bucket(stage.layout.archive).get(f"log.{partition}.{session.id}")
        assert entry is not None
        assert entry.headers[HEADER_LEARNER] == learner
        assert entry.headers[HEADER_PARENT] == ""
        assert (HEADER_BYTES in entry.headers) is not overwrite
    # Of the second nobody can say where its bytes are; so it is said.
    receipt = await deck.erase("ben", wait_s=60)
    assert receipt.complete
    assert any("1 sessions had been archived" in told for told in receipt.remains)
    receipt = await deck.erase("ana", wait_s=60)
    assert not any("had been archived" in told for told in receipt.remains)


def _marks(folder: Path) -> int:
    return sum(
        count for name, count in in_files(folder, "turn MARK").items() if "CHECKPOINTS" in name
    )


async def test_a_host_that_starts_knows_who_was_erased(stage: Stage) -> None:
    deck = await stage.begun_here(1)
    await ended(deck)
    await deck.erase("ana", wait_s=60)
    await stage.host("host-1")
    await stage.owned(2)
    assert all(keeper.host is not None and keeper.host.erasing("ana") for keeper in stage.keepers)
    found = [e.key async for e in stage.broker.bucket(stage.layout.cluster).scan(ERASURES)]
    assert found == ["erase.ana"]
