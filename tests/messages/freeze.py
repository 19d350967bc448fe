"""Freezes one checkpoint's bytes as a sample that is decoded for ever.

One law: a sample is written once. This program refuses to touch one that exists.

Use: ``python -m tests.messages.freeze '[{"kind": "task.hinted", "task": "t1"}]' [NAME]``; the name
is the first event's kind unless given. Where the checkpoint has a room or is quiet, say
``{"events": [...], "room": "...", "quiet": true}``.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any, Final

from holodeck.messages.codec import SCHEMA, decode_checkpoint, encode_checkpoint, pack
from holodeck.messages.envelope import Checkpoint

SAMPLES: Final = Path(__file__).parent / "samples"
AT: Final = 1_767_225_600_000
"""2026-01-01 00:00 UTC, ms."""


def shown(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as JSON can say it, every field, bytes in base64.

    Room and quiet are there where they are said, for most checkpoints have neither.
    """

    def text(value: Any) -> str:
        assert isinstance(value, bytes)
        return base64.b64encode(value).decode()

    plain: dict[str, Any] = {
        "at": checkpoint.at,
        "events": [event.model_dump() for event in checkpoint.events],
    }
    if checkpoint.room:
        plain["room"] = checkpoint.room
    if checkpoint.quiet:
        plain["quiet"] = True
    return dict(json.loads(json.dumps(plain, default=text)))


def freeze(said: list[dict[str, Any]] | dict[str, Any], name: str = "") -> Path:
    """Writes ``<name>.v<schema>.msgpack`` and what it decodes to, as JSON.

    Raises:
        FileExistsError: there is such a sample already; it stays as it is.
    """
    raw = pack({"v": SCHEMA, "at": AT, **(said if isinstance(said, dict) else {"events": said})})
    checkpoint = decode_checkpoint(raw, "freeze")
    data = encode_checkpoint(*checkpoint)
    path = SAMPLES / f"{name or checkpoint.events[0].kind}.v{SCHEMA}.msgpack"
    with path.open("xb") as file:
        file.write(data)
    path.with_suffix(".json").write_text(
        json.dumps(shown(decode_checkpoint(data, "freeze")), indent=1, ensure_ascii=False) + "\n"
    )
    return path


if __name__ == "__main__":
    freeze(json.loads(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
