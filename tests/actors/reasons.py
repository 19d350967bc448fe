"""What the code says: every refusal reason written down in it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ROOT

_RAISED = re.compile(r'RefusedError\(\s*"([a-z-]+)"')
_TABLED = re.compile(r'^\s+Phase\.[A-Z]+: "([a-z-]+)",$', re.MULTILINE)
_ANSWERED = re.compile(
    r'status="(?:refused|busy|moved|contract)",\s*reason="([a-z-]+)"', re.MULTILINE
)


def reasons_in(folder: str) -> set[str]:
    """The reasons the code of a folder can refuse with, other folders below it included."""
    found: set[str] = set()
    for path in Path(ROOT / folder).rglob("*.py"):
        text = path.read_text()
        for pattern in (_RAISED, _TABLED, _ANSWERED):
            found |= set(pattern.findall(text))
    return found
