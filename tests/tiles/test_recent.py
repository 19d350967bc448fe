"""The newest tiles in memory are the unbroken end of TILES, or nothing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from holodeck.actors.tiles import Recent

Row = tuple[str, bytes, Mapping[str, str]]


def rows(count: int) -> list[Row]:
    return [("a.tile", b"0123456789", {})] * count


@pytest.fixture
def woken() -> list[int]:
    return []


@pytest.fixture
def recent(woken: list[int]) -> Recent:
    """Holds at most ten tiles; an emitter is at work behind 40."""
    made = Recent(max_bytes=100)
    made.join(lambda: woken.append(1))
    made.begin(40)
    return made


def places(recent: Recent, position: int, limit: int = 100) -> list[int] | None:
    tiles = recent.behind(position, limit)
    return None if tiles is None else [tile.sequence for tile in tiles]


def test_who_is_level_with_the_emitter_is_handed_what_it_stores(
    recent: Recent, woken: list[int]
) -> None:
    assert places(recent, 40) == []
    before = len(woken)
    recent.add(rows(3))
    assert len(woken) == before + 1
    assert places(recent, 40) == [41, 42, 43]
    assert places(recent, 41, limit=1) == [42]
    assert places(recent, 43) == []
    assert recent.end == 43


def test_who_is_behind_what_is_held_or_ahead_of_it_reads_the_stream(recent: Recent) -> None:
    recent.add(rows(3))
    assert places(recent, 39) is None
    assert places(recent, 44) is None


def test_what_is_held_is_bounded_and_stays_unbroken(recent: Recent) -> None:
    for _ in range(50):
        recent.add(rows(3))
        held = [at for at in range(40, recent.end + 1) if places(recent, at) is not None]
        assert held == list(range(held[0], recent.end + 1))
        assert 3 <= len(held) <= 11
    assert recent.end == 190


def test_nothing_is_handed_on_while_nobody_emits(recent: Recent, woken: list[int]) -> None:
    recent.add(rows(3))
    before = len(woken)
    recent.cease()
    assert len(woken) == before + 1
    recent.add(rows(3))  # an answer that came late
    assert [places(recent, at) for at in (0, 3, 40, 43, 46)] == [None] * 5
    recent.begin(50)
    assert places(recent, 49) is None
    assert places(recent, 50) == []


def test_without_readers_nothing_is_held_but_the_place_is_known() -> None:
    recent = Recent()
    recent.begin(0)
    recent.add(rows(3))
    recent.join(lambda: None)
    assert places(recent, 2) is None
    assert places(recent, 3) == []
    recent.add(rows(1))
    assert places(recent, 3) == [4]
