"""What a browser sees of a page: names, landmarks, contrast; asked of the page itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

CHECKS: Final = Path(__file__).with_name("looking.js").read_text()
"""Run in a page: ``{faults, least}``, the least being the lowest contrast of any text."""


async def look(page: Any) -> float:
    """Looks at a page as it stands; returns the lowest contrast of its texts.

    Raises:
        AssertionError: something has no name, too little contrast, or no place.
    """
    found = await page.evaluate(CHECKS)
    assert found["faults"] == [], (page.url, found["faults"])
    return float(found["least"])
