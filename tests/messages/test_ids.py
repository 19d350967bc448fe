"""Names: one NATS token each, reversible where they are foreign, in a partition NATS agrees on."""

from __future__ import annotations

import subprocess
import sys
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.messages.errors import InvalidId
from holodeck.messages.ids import (
    ID_PATTERN,
    NOBODY,
    check_id,
    decode_foreign,
    encode_foreign,
    new_id,
    partition_of,
)
from tests.conftest import ROOT
from tests.messages.strategies import many

IDS = st.from_regex(ID_PATTERN, fullmatch=True)


@pytest.mark.parametrize("good", ["a", "Z9", "0", "sess_1", "a-b_c", "x" * 64])
def test_an_id_of_letters_digits_dashes_and_underscores_is_taken(good: str) -> None:
    assert check_id(good) == good


@pytest.mark.parametrize(
    "bad",
    ["", "-", NOBODY, "_a", "-a", "a.b", "a b", "a*", ">", "a\n", "\na", "ä", "x" * 65, "a\0"],
)
def test_what_is_no_single_token_is_no_id(bad: str) -> None:
    with pytest.raises(InvalidId) as caught:
        check_id(bad)
    assert caught.value.value == bad


def test_an_error_shows_only_the_beginning_of_an_endless_name() -> None:
    assert len(str(InvalidId("y" * 5000))) < 200


def test_fresh_ids_are_valid_and_differ() -> None:
    made = {new_id("sess") for _ in range(1000)}
    assert len(made) == 1000
    assert all(check_id(one).startswith("sess_") for one in made)


def test_parent_and_child_process_make_different_ids() -> None:
    program = (
        "import os; from holodeck.messages.ids import new_id; new_id('a'); child = os.fork();"
        "child and os.wait(); print(new_id('a'), flush=True)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(set(said)) == 2


@many
@given(st.text())
def test_a_foreign_name_comes_back_as_it_was_or_is_refused(name: str) -> None:
    try:
        identity = encode_foreign(name)
    except InvalidId:
        assert not name or 3 * len(name.encode()) + 4 > 64
        return
    assert check_id(identity) == identity
    assert decode_foreign(identity) == name


def test_half_a_surrogate_pair_is_no_name() -> None:
    with pytest.raises(InvalidId):
        encode_foreign("a\ud800")
    with pytest.raises(InvalidId):
        decode_foreign("a\ud800")


@many
@given(st.text(max_size=20), st.text(max_size=20))
def test_two_foreign_names_never_share_an_id(one: str, other: str) -> None:
    try:
        same = encode_foreign(one) == encode_foreign(other)
    except InvalidId:
        return
    assert same == (one == other)


@many
@given(IDS)
def test_only_what_was_encoded_is_decoded(identity: str) -> None:
    try:
        name = decode_foreign(identity)
    except InvalidId:
        return
    assert encode_foreign(name) == identity


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("ana", "ana"),
        ("Café Central", "Caf_c3_a9_20Central"),
        ("room/1", "room_2f1"),
        ("a_b", "a_5fb"),
        ("-", "x_zz-"),
        ("_", "x_zz_5f"),
        ("名", "x_zz_e5_90_8d"),
    ],
)
def test_foreign_names_have_these_ids_for_ever(name: str, identity: str) -> None:
    assert encode_foreign(name) == identity
    assert decode_foreign(identity) == name


@pytest.mark.parametrize("identity", ["a_b", "a_5F", "x_zz", "x_zza", "_5f", "a_ff", "a_zz", ""])
def test_an_id_of_our_own_making_is_not_decoded(identity: str) -> None:
    with pytest.raises(InvalidId):
        decode_foreign(identity)


@pytest.mark.parametrize(
    ("text", "digest"),
    [  # Fowler, Noll, Vo: published 32 bit FNV-1a vectors
        ("", 0x811C9DC5),
        ("a", 0xE40C292C),
        ("b", 0xE70C2DE5),
        ("foobar", 0xBF9CF968),
        ("fo", 0x6222E842),
        ("foob", 0x3F5076EF),
        ("chongo was here!\n", 0xD49930D5),
    ],
)
def test_the_partition_hash_is_fnv_1a(text: str, digest: int) -> None:
    assert partition_of(text, 2**32) == digest


@many
@given(st.text(st.characters(codec="utf-8")), st.integers(1, 1024))
def test_the_partition_agrees_with_a_second_implementation(text: str, partitions: int) -> None:
    """Straight from the definition, with unbounded integers and one modulus at the end of each."""
    digest = reduce(
        lambda h, byte: (h ^ byte) * (2**24 + 2**8 + 0x93) % 2**32,
        bytearray(text, "utf-8"),
        0x811C9DC5,
    )
    assert partition_of(text, partitions) == digest % partitions


def test_partitions_are_filled_evenly() -> None:
    counts = [0] * 64
    for number in range(64_000):
        counts[partition_of(f"sess_{number:016x}", 64)] += 1
    assert min(counts) > 800
    assert max(counts) < 1200
