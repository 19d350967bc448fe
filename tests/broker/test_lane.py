"""The fast lane between socket and receiver: bytes in, messages out."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holodeck.broker.nats import _Lane
from holodeck.broker.port import Headers


@dataclass
class Heard:
    """What a lane gave to whom."""

    messages: list[tuple[str, str, bytes, dict[str, str] | None]] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)

    def take(self, subject: str, reply: str, data: bytes, headers: Headers | None) -> None:
        self.messages.append((subject, reply, data, dict(headers) if headers else None))


_line = st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b'INFO {"a": "\\u00e9"}\r\n'])
_message = st.tuples(
    st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5}){0,3}", fullmatch=True),
    st.one_of(st.just(""), st.from_regex(r"_INBOX\.[a-z]{3}", fullmatch=True)),
    st.binary(max_size=40),
    st.none() | st.dictionaries(st.from_regex(r"[A-Z][a-z]{1,4}", fullmatch=True),
                                st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True), min_size=1),
)  # fmt: skip


def _on_the_wire(subject: str, reply: str, data: bytes, headers: dict[str, str] | None) -> bytes:
    to = f"{subject} 7 {reply} " if reply else f"{subject} 7 "
    if headers is None:
        return f"MSG {to}{len(data)}\r\n".encode() + data + b"\r\n"
    head = "".join(["NATS/1.0\r\n", *(f"{k}: {v}\r\n" for k, v in headers.items()), "\r\n"])
    whole = head.encode() + data
    return f"HMSG {to}{len(head)} {len(whole)}\r\n".encode() + whole + b"\r\n"


@given(
    sent=st.lists(st.one_of(_line, _message), max_size=8),
    cuts=st.lists(st.integers(0, 600), max_size=12),
)
def test_however_the_bytes_are_cut_each_message_arrives_once_and_in_order(
    sent: list[Any], cuts: list[int]
) -> None:
    heard = Heard()
    lane = _Lane({"7": heard.take}, heard.rest.append)
    stream = b"".join(one if isinstance(one, bytes) else _on_the_wire(*one) for one in sent)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    for start, stop in itertools.pairwise(places):
        lane.feed(stream[start:stop])
    assert heard.messages == [one for one in sent if not isinstance(one, bytes)]
    assert heard.rest == [one for one in sent if isinstance(one, bytes)]


def test_bytes_that_are_no_text_in_a_subject_harm_nobody() -> None:
    heard = Heard()
    lane = _Lane({"7": heard.take}, heard.rest.append)
    lane.feed(b"MSG a.\xff\xc2\x85b 7 2\r\nhi\r\nMSG a.b 7 2\r\nho\r\n")
    assert [message[2] for message in heard.messages] == [b"hi", b"ho"]


def test_a_receiver_that_fails_does_not_stop_the_others() -> None:
    heard = Heard()

    def fails(*_: Any) -> None:
        raise ValueError("no")

    lane = _Lane({"1": fails, "7": heard.take}, heard.rest.append)
    lane.feed(b"MSG a 1 1\r\nx\r\nMSG b 7 1\r\ny\r\nMSG c 9 1\r\nz\r\n")
    assert [message[0] for message in heard.messages] == ["b"]
