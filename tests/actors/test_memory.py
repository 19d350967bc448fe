"""Remembered command ids: 120 seconds and 256 of them, whichever is more."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.actors.memory import CommandMemory
from holodeck.messages.codec import pack, unpack
from holodeck.messages.envelope import MAX_DEADLINE_MS, REMEMBER_COUNT, REMEMBER_MS


def filled(count: int, *, every_ms: int) -> CommandMemory:
    memory = CommandMemory()
    for number in range(count):
        memory.add(f"c{number}", number + 1, number * every_ms)
    return memory


def test_the_rule_is_twice_the_longest_deadline_and_256() -> None:
    assert (REMEMBER_MS, REMEMBER_COUNT) == (120_000, 256)
    assert REMEMBER_MS == 2 * MAX_DEADLINE_MS


def test_a_command_is_remembered_with_what_it_led_to() -> None:
    memory = CommandMemory()
    assert memory.get("c") is None
    memory.add("c", 41, 0)
    assert memory.get("c") == 41


def test_the_last_256_are_remembered_however_old_they_are() -> None:
    memory = filled(300, every_ms=3_600_000)
    assert len(memory) == 256
    assert memory.get("c43") is None
    assert memory.get("c44") == 45


def test_what_is_younger_than_120_seconds_is_remembered_however_many_they_are() -> None:
    memory = filled(5000, every_ms=10)
    assert len(memory) == 5000
    memory.add("later", 9999, 4999 * 10 + 119_999 - 49_990)
    assert memory.get("c0") == 1


def test_it_forgets_at_120_seconds_and_not_before() -> None:
    memory = filled(256, every_ms=0)
    memory.add("before", 1, 119_999)
    assert memory.get("c0") == 1
    memory.add("then", 2, 120_000)
    assert memory.get("c0") is None
    assert len(memory) == 256


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2_000), max_size=700))
def test_nothing_is_forgotten_that_the_rule_keeps(pauses: list[int]) -> None:
    memory, at = CommandMemory(), 0
    times: list[int] = []
    for number, pause in enumerate(pauses):
        at += pause
        times.append(at)
        memory.add(f"c{number}", number, at)
    for number, then in enumerate(times):
        newer = len(times) - number - 1
        if newer < REMEMBER_COUNT or at - then < REMEMBER_MS:
            assert memory.get(f"c{number}") == number


def test_a_memory_survives_a_snapshot() -> None:
    memory = filled(300, every_ms=1000)
    back = CommandMemory(map(tuple, unpack(pack(memory.dump()))))
    assert back.dump() == memory.dump()
    for either in (memory, back):
        either.add("more", 1, 10**9)
    assert back.dump() == memory.dump()
