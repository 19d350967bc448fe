"""What is stable of an error's text."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holodeck.actors.session.faults import MAX_CLASS, NO_FAULT, fault


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        ("ValueError: bad value 5", "ValueError"),
        ("TimeoutError", "TimeoutError"),
        ("requests.exceptions.ConnectionError: refused", "ConnectionError"),
        ("HTTP2Error: stream reset", "HTTP2Error"),
        ("NodeNotReady: ip-10-0-0-7", "NodeNotReady"),
        ('Traceback (most recent call last):\n  File "a.py", line 3\nKeyError: 4', "KeyError"),
        ("Compilation failed: missing dependency", "compilation-failed"),
        ("Connection timeout", "connection-timeout"),
        ("could not connect to server", "could-not-connect"),
        ("task-limit: at most 5 tasks", "task-limit"),
        ("coroutine 'fetch' was never awaited", "coroutine"),
        ("[Errno 111] Connection refused", "errno"),
        ("Übersetzung läuft: nein", "übersetzung-läuft"),
        ("404", "error"),
        ("'x' is missing", "error"),
        ("os.error: gone", "error"),
        (f"{'A' * 60}bcDefError: x", f"{'A' * 60}bcDe"),
    ],
)
def test_an_error_is_classed_by_its_name_or_its_first_words(error: str, error_class: str) -> None:
    assert fault(error).error_class == error_class


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task 17 failed after 2340 ms", "task 9 failed after 0.5 ms"),
        ("offset -2 is low", "offset 17 is low"),
        ("<Agent at 0x7f3a9c>", "<Agent at 0x55D0FE12>"),
        ("no session sess_3f9c12", "no session sess_00aa77bb"),
        ("id 6fa459ea-ee8a-3ca4-894e-db77e160355e", "id 16fd2706-8baf-433b-82eb-8c7fada847da"),
        ("blob deadbeefcafe lost", "blob 01234567 lost"),
        ("refused by 10.0.0.7:8902", "refused by 127.0.0.1:80"),
        ("no file /tmp/a/b.txt", "no file ../c"),
        ("no file C:\\temp\\x", "no file /tmp/x"),
        ("GET http://a.org/x?y=1 gave 500", "GET https://b.org gave 502"),
        ("KeyError: 'ana'", "KeyError: 'bo and ben'"),
        ('no key "a"', "no key “b”"),
        ("Connection  Timeout\n", "connection timeout"),
        ("sizes 1, 2, 3 differ", "sizes 4, 5 differ"),
    ],
)
def test_one_error_has_one_fingerprint_whatever_it_was_about(one: str, other: str) -> None:
    assert fault(one).fingerprint == fault(other).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Connection timeout", "Connection refused"),
        ("KeyError: 'a'", "ValueError: 'a'"),
        ("can't open it, isn't there", "can't read it, isn't there"),
        ("5 errors", "5 warnings"),
    ],
)
def test_two_errors_have_two_fingerprints(one: str, other: str) -> None:
    assert fault(one).fingerprint != fault(other).fingerprint


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_no_error_has_neither_class_nor_fingerprint(blank: str) -> None:
    assert fault(blank) == NO_FAULT == ("", "")


WORDS = st.lists(
    st.sampled_from(["session", "agent", "isn't", "lost", "of", "task:", "(late)"]), min_size=1
)
FILLS = {
    "a number": st.integers(-(10**9), 10**9).map(str) | st.floats(0, 1e6).map(str),
    "an address": st.integers(0, 2**64).map(hex),
    "an id": st.from_regex(r"sess_[0-9][0-9a-f]{7}", fullmatch=True),
    "a quotation": st.from_regex(r"'[a-z0-9 /:]{0,12}'", fullmatch=True),
    "a path": st.from_regex(r"/[a-z]{1,5}(/[a-z0-9._]{1,8}){0,3}", fullmatch=True),
}


@pytest.mark.parametrize("kind", FILLS)
@given(data=st.data())
def test_what_differs_between_occurrences_changes_nothing(kind: str, data: st.DataObject) -> None:
    before, after = data.draw(WORDS), data.draw(WORDS)
    one, other = (" ".join([*before, data.draw(FILLS[kind]), *after]) for _ in range(2))
    assert fault(one) == fault(other)
    assert fault(one).fingerprint == fault("\n ".join(other.upper().split(" "))).fingerprint


@given(st.text())
def test_any_text_has_a_class_of_one_word_and_a_fingerprint_of_16_digits(text: str) -> None:
    assume(text.strip())
    found = fault(text)
    assert 0 < len(found.error_class) <= MAX_CLASS
    assert not re.search(r"\s", found.error_class)
    assert re.fullmatch(r"[0-9a-f]{16}", found.fingerprint)
    assert fault(text) == found
