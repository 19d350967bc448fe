"""Looks for words of somebody in distress, and knows whom such a player can turn to.

One law: this is a list of phrases and no clinical instrument. It finds some of those who say it in
these words, misses others, and takes some for it who are not; a person has to judge.

Phrases are English. They match whole words, whatever apostrophes and capitals they are written
with; what is denied is no finding (*I do not want to die*), but denying to live is one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from importlib import resources as packaged
from itertools import product
from pathlib import Path
from typing import Final

import structlog
import yaml
from pydantic import TypeAdapter, ValidationError

from holodeck.messages.codec import explain
from holodeck.messages.errors import StartupError
from holodeck.messages.player import CrisisResource, CrisisType, SafetyFinding
from holodeck.minds.port import Heeded, SafetyMind

log = structlog.get_logger("holodeck.safety")

SOURCE: Final = "keyword"

_S, _H, _P = CrisisType.SUICIDAL_IDEATION, CrisisType.SELF_HARM, CrisisType.PANIC_ATTACK
_D, _T = CrisisType.SEVERE_DEPRESSION, CrisisType.TRAUMA_RESPONSE
_A, _G = CrisisType.SUBSTANCE_ABUSE, CrisisType.GENERAL_DISTRESS

PHRASES: Final[dict[CrisisType, tuple[str, ...]]] = {
    _S: (
        "want|wanted|wanting|ready|going to die",
        "wish i was|were dead",
        "wish i was|were never born",
        "better off dead",
        "better off without me",
        "kill|killing|killed myself",
        "end|ending|take|taking my life",
        "end|ending|take|taking my own life",
        "end|ending it all",
        "suicidal",
        "suicide",
        "cant go on",
        "cant do this anymore",
        "no reason to live",
        "nothing left to live for",
        "no point in living",
        "tired of living",
        "tired of being alive",
        "dont|no|not|never want|wanna to live",
        "dont|no|not|never wanna live",
        "dont|no|not|never want to be alive",
        "dont|no|not|never want to exist",
        "dont|no|not|never want to wake up",
        "dont|not want to be here anymore",
        "dont think i want to live",
        "no longer want to live",
        "no longer want to be alive",
    ),
    _H: (
        "want|wanted|going|need|tempted to hurt|harm|cut|burn|punish myself",
        "hurting|harming|cutting|burning myself",
        "harm|harmed myself",
        "hurt|cut|burned myself again",
        "hurt|cut|burned myself on purpose",
        "self harm",
        "selfharm",
        "self injury",
        "make myself bleed",
    ),
    _P: (
        "panic attack|attacks",
        "panicking",
        "cant breathe",
        "cant catch my breath",
        "heart is racing",
        "heart is pounding",
        "losing control",
        "going to faint",
        "feel like im dying",
        "everything is closing in",
    ),
    _D: (
        "hopeless",
        "worthless",
        "numb",
        "empty inside",
        "hate myself",
        "no hope left",
        "nothing matters anymore",
        "cant get out of bed",
        "no point in anything",
        "nobody would miss me",
        "severely depressed",
    ),
    _T: (
        "flashback|flashbacks",
        "cant stop reliving",
        "keep reliving",
        "nightmares about what happened",
        "was|been abused|assaulted|raped|molested",
        "happening to me again",
        "triggered by what happened",
        "never safe anywhere",
    ),
    _A: (
        "overdose|overdosed|overdosing",
        "relapsed",
        "cant stop drinking",
        "drinking to forget",
        "drunk every day|night",
        "cant stop using",
        "need a fix",
        "high every day",
        "took too many pills",
        "addicted to pills|drugs|alcohol|opioids|heroin|cocaine",
    ),
    _G: (
        "cant cope",
        "cant take it anymore",
        "falling apart",
        "breaking down",
        "at my breaking point",
        "nobody can help me",
        "desperate for help",
    ),
}
"""By type, phrases as they stand in a text once it is folded: ``a|b`` is either word."""

_NOT: Final = {
    "dont", "doesnt", "didnt", "not", "never", "no", "wont", "wouldnt", "isnt", "arent", "wasnt",
    "werent", "havent", "hasnt",
}  # fmt: skip
_BETWEEN: Final = {
    "want", "wants", "wanting", "wanted", "to", "going", "gonna", "go", "feel", "feeling", "felt",
    "think", "thinking", "thought", "about", "of", "am", "im", "i", "be", "been", "was", "were",
    "ever", "even", "any", "longer", "having", "had", "have", "a", "the", "that", "like", "it",
    "is", "its", "plan", "planning", "mean",
}  # fmt: skip
"""Words that may stand between a denial and what is denied."""
_REACH: Final = 5
_FILLERS: Final = {
    "just", "really", "so", "very", "simply", "totally", "literally", "completely", "honestly",
}  # fmt: skip
_JOINED: Final = {
    ("do", "not"): "dont",
    ("does", "not"): "doesnt",
    ("did", "not"): "didnt",
    ("will", "not"): "wont",
    ("would", "not"): "wouldnt",
    ("can", "not"): "cant",
    ("any", "more"): "anymore",
    ("i", "am"): "im",
}
_ALONE: Final = {"cannot": "cant", "donot": "dont"}
_APOSTROPHES: Final = re.compile("['’‘ʼ＇`´]")
_WORD: Final = re.compile(r"[^\W_]+|[.!?;:,\n…]")
_BREAKS: Final = frozenset(".!?;:,\n…")


def words_of(text: str) -> list[str]:
    """The words of a text and what divides its clauses."""
    return _WORD.findall(_APOSTROPHES.sub("", text.casefold()))


def folded(words: Iterable[str]) -> list[str]:
    """Words as phrases are compared: in one spelling, without those that only lend weight."""
    found: list[str] = []
    for word in words:
        if word in _FILLERS:
            continue
        joined = _JOINED.get((found[-1], word)) if found else None
        if joined is not None:
            found[-1] = joined
        else:
            found.append(_ALONE.get(word, word))
    return found


Phrase = tuple[tuple[str, ...], CrisisType, int]


def _index(phrases: dict[CrisisType, tuple[str, ...]]) -> dict[str, list[Phrase]]:
    """Phrases by their first word; the number tells apart what counts as hits of their own."""
    index: dict[str, list[Phrase]] = {}
    for kind, texts in phrases.items():
        for number, text in enumerate(texts):
            for words in product(*(word.split("|") for word in text.split())):
                index.setdefault(words[0], []).append((words, kind, number))
    return index


_INDEX: Final = _index(PHRASES)
_SPELT: Final = {*_JOINED.values(), *_ALONE.values()}
_TELLING: Final = frozenset(
    max((word for word in phrase if word not in _SPELT), key=len)
    for phrases in _INDEX.values()
    for phrase, _, _ in phrases
)
"""Of each phrase a word that stands in every text it is found in; most texts have none of them."""


class KeywordSafety:
    """The offline safety mind. No state, no chance, no network; not clinical."""

    def __init__(self, resources: Sequence[CrisisResource] = ()) -> None:
        self._resources = tuple(resources)

    def look(self, text: str, context: Heeded | None = None) -> SafetyFinding | None:
        """What gives cause for concern in a text; None: nothing this list knows.

        The confidence of a type is ``min(0.9, 0.3·hits + 0.1)`` of its phrases that stand in the
        text, each counted once (theinterneti/TTA, ``pe/managers``); a finding's is its surest
        type's.
        """
        found_words = words_of(text)
        if _TELLING.isdisjoint(found_words):
            return None
        words = folded(found_words)
        hits: dict[CrisisType, set[int]] = {}
        for at, word in enumerate(words):
            for phrase, kind, number in _INDEX.get(word, ()):
                end = at + len(phrase)
                if tuple(words[at:end]) == phrase and not _denied(words, at):
                    hits.setdefault(kind, set()).add(number)
        if not hits:
            return None
        sure = {kind: min(0.9, 0.3 * len(found) + 0.1) for kind, found in hits.items()}
        types = tuple(sorted(sure, key=lambda kind: (-sure[kind], _ORDER[kind])))
        return SafetyFinding(
            types=types,
            confidence=round(max(sure.values()), 6),
            resources=tuple(one.resource_id for one in answering(self._resources, types))[:20],
            source=SOURCE,
        )


_ORDER: Final = {kind: number for number, kind in enumerate(CrisisType)}


def _denied(words: Sequence[str], at: int) -> bool:
    """Whether what begins at a place is denied in the same clause, right before it."""
    if words[at] in _NOT:
        return False  # the phrase itself is a denial
    for back in range(1, _REACH + 1):
        if back > at:
            return False
        word = words[at - back]
        if word in _NOT:
            # "No, I want to" is no denial, with or without its comma.
            return words[at - back + 1] not in ("i", "im")
        if word in _BREAKS or word not in _BETWEEN:
            return False
    return False


class NoSafety:
    """Looks at nothing."""

    def look(self, text: str, context: Heeded | None = None) -> SafetyFinding | None:
        return None


# --- whom to turn to ----------------------------------------

_FILE: Final = TypeAdapter(dict[str, tuple[CrisisResource, ...]])


def answering(
    resources: Iterable[CrisisResource], types: Iterable[CrisisType]
) -> list[CrisisResource]:
    """The resources that answer one of the types, the most urgent first."""
    wanted = set(types)
    return sorted(
        (one for one in resources if wanted.intersection(one.crisis_types)),
        key=lambda one: one.priority,
    )


def named(resources: Iterable[CrisisResource], ids: Iterable[str]) -> list[CrisisResource]:
    """The resources of these ids, in the order of the ids; those nobody knows are left out."""
    known = {one.resource_id: one for one in resources}
    return [known[one] for one in ids if one in known]


def load_resources(path: Path | None = None) -> tuple[CrisisResource, ...]:
    """The crisis resources of a file; of the packaged one without.

    Raises:
        StartupError: there is no such file, it is none of resources, an id stands twice, or a
            crisis type is answered by none.
    """
    try:
        if path is None:
            text = packaged.files("holodeck.config").joinpath("resources.yaml").read_text("utf-8")
        else:
            text = path.expanduser().read_text("utf-8")
        found = _FILE.validate_python(yaml.safe_load(text)).get("resources", ())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StartupError(f"the crisis resources cannot be read: {error}", _MEND) from error
    except ValidationError as error:
        raise StartupError(f"the crisis resources of {path}: {explain(error)}", _MEND) from error
    ids = [one.resource_id for one in found]
    if len(set(ids)) != len(ids):
        raise StartupError(f"the crisis resources of {path} name an id twice", _MEND)
    silent = [kind.value for kind in CrisisType if not answering(found, (kind,))]
    if silent:
        raise StartupError(
            f"the crisis resources of {path} have no answer to {', '.join(silent)}", _MEND
        )
    return found


_MEND: Final = "Mend the file HOLODECK_RESOURCES names, or leave it unset for the packaged one"


class BackedSafety:
    """Another safety mind, and the phrases of the program for where it fails or is slow."""

    def __init__(self, mind: SafetyMind, behind: KeywordSafety, patience_s: float = 1.0) -> None:
        self._mind = mind
        self._behind = behind
        self._patience_s = patience_s

    async def look(self, text: str, context: Heeded | None = None) -> SafetyFinding | None:
        try:
            found = self._mind.look(text, context)
            if found is None or isinstance(found, SafetyFinding):
                return found
            async with asyncio.timeout(self._patience_s):
                return await found
        except Exception as error:  # whatever an adapter may raise: the phrases are left
            log.warning("safety.failed", reason=repr(error))
            return self._behind.look(text, context)
