"""Minds that ask a language model: answers, analyses and wordings.

One law: what a model returns passes a contract before anybody sees it, and where it does not, or
nothing comes, the offline one answers in its place; so a model can be wrong, never fatal.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from inspect import isawaitable
from typing import Any, Final, TypeVar

import structlog

from holodeck.messages.base import MAX_TEXT
from holodeck.messages.conversation import (
    Explanation,
    FrictionType,
    Refraction,
    RefractionLevel,
    RefractionMetadata,
    RefractionRequest,
    RefractionResponse,
    Refractions,
    RegisterClass,
    RegisterViolation,
    friction_type,
    severity_number,
)
from holodeck.messages.persona import Persona
from holodeck.messages.player import TherapeuticSettings
from holodeck.messages.talk import FrictionFinding, TurnAnalysis
from holodeck.minds.phrases import heard as stands_in
from holodeck.minds.phrases import tokens
from holodeck.minds.port import Analyst, Mind, Prompt, Refractor, Said, Utterance
from holodeck.minds.prompts import BUDGET, analysis_of, messages_of, refraction_of, tokens_of
from holodeck.minds.refraction import vocabulary_in, wording
from holodeck.minds.server import ModelError, ModelServer

log = structlog.get_logger("holodeck.minds")

REPLY_TOKENS: Final = 300
ANALYSIS_TOKENS: Final = 600
REFRACTION_TOKENS: Final = 900
ANALYSIS_S: Final = 8.0
"""Seconds for an analysis: the turn is not stored before it, and its sender waits for that."""
_SESSIONS: Final = 100_000
"""Whose spending is remembered; of more the one heard of longest ago is forgotten."""


class Budget:
    """What sessions have spent, in tokens. Kept in memory: another host begins anew."""

    def __init__(self, tokens: int) -> None:
        """
        Args:
            tokens: of one session; 0: no bound.
        """
        self.tokens = tokens
        self._spent: OrderedDict[str, int] = OrderedDict()

    def allows(self, session: str, more: int) -> bool:
        return not self.tokens or self._spent.get(session, 0) + more <= self.tokens

    def spend(self, session: str, tokens: int) -> None:
        self._spent[session] = self._spent.get(session, 0) + tokens
        self._spent.move_to_end(session)
        while len(self._spent) > _SESSIONS:
            self._spent.popitem(last=False)


# --- what an NPC says ----------------------------------------


class ModelMind:
    """Speaks for NPCs as a model does; where it cannot, as ``fallback`` does.

    A reply from the fallback has the source ``fallback``. What was streamed until then is not
    taken back: what counts is what is returned.
    """

    def __init__(
        self,
        server: ModelServer,
        model: str,
        *,
        fallback: Mind,
        budget: Budget | None = None,
        prompt_tokens: int = BUDGET,
        reply_tokens: int = REPLY_TOKENS,
    ) -> None:
        """
        Args:
            budget: shared by all that spends for one session; None: no bound.
            prompt_tokens, reply_tokens: how long a question and an answer may be.
        """
        self._server = server
        self._model = model
        self._fallback = fallback
        self._budget = budget or Budget(0)
        self._prompt_tokens = prompt_tokens
        self._reply_tokens = reply_tokens

    async def reply(self, prompt: Prompt, heard: Callable[[str], None] | None = None) -> Said:
        messages = messages_of(prompt, self._prompt_tokens)
        asked = sum(tokens_of(message["content"]) for message in messages)
        mouth = Mouth(_names(prompt), heard)
        try:
            if not self._budget.allows(prompt.session, asked + self._reply_tokens):
                raise ModelError("budget")
            try:
                answer = await self._server.chat(
                    messages,
                    model=self._model,
                    most_tokens=self._reply_tokens,
                    heard=mouth.hear,
                )
            except ModelError as error:
                if error.reason != "resting":
                    self._budget.spend(prompt.session, asked + tokens_of(mouth.raw))
                raise
            spent = answer.tokens if answer.tokens else asked + tokens_of(answer.text)
            self._budget.spend(prompt.session, spent)
            text = mouth.close(answer.cut)
            if not 1 <= len(text) <= MAX_TEXT:
                raise ModelError("empty" if not text else "too-long")
        except ModelError as error:
            log.warning("model.failed", session=prompt.session, reason=error.reason)
            said = await self._fallback.reply(prompt, None if mouth.said else heard)
            return replace(said, source="fallback")
        return Said(text, _opened(prompt, text), self._model[:200])


def _names(prompt: Prompt) -> tuple[str, ...]:
    """What a model may put before a colon, as if it wrote a play."""
    npc = prompt.world.npc(prompt.npc) if prompt.world is not None else None
    more = (npc.name, npc.name.split()[0], npc.role) if npc is not None and npc.name.strip() else ()
    return tuple(dict.fromkeys((*more, prompt.npc, "assistant", "npc", "ai", "response", "reply")))


def _opened(prompt: Prompt, text: str) -> tuple[str, ...]:
    """Due forms that stand in the text: as their rule sees them used, or by their name."""
    if prompt.live is None:
        return ()
    found = []
    for due in prompt.live.injections:
        rule = prompt.world.rule(due.form) if prompt.world is not None else None
        phrases = (*(rule.right if rule is not None else ()), due.form)
        if any(stands_in((phrase,), text) for phrase in phrases):
            found.append(due.form)
    return tuple(found[:5])


_THOUGHTS: Final = ("<think>", "<thinking>", "<reasoning>")
_THOUGHT: Final = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_FENCE: Final = re.compile(r"```[a-zA-Z]*[ \t]*\r?\n")
_MAY_BE_FENCE: Final = re.compile(r"`{1,2}|```[a-zA-Z]*[ \t]*\r?")
_ENDS: Final = ".!?…。！？"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u2028\u2029\ud800-\udfff]")


class Mouth:
    """Turns a model's pieces into speech: without its thoughts, code fences, and a name in front.

    A piece is passed on as soon as no later one can change it, so the pieces together are what
    :meth:`close` returns, except that a reply which was cut off ends with its last sentence.

    Attributes:
        raw: everything that came; said: what was passed on.
    """

    def __init__(
        self, names: Iterable[str] = (), heard: Callable[[str], None] | None = None
    ) -> None:
        """
        Args:
            names: what may stand before a colon at the beginning and is no part of the speech.
        """
        known = [name for name in names if name.strip()]
        self._names = tuple(name.casefold() for name in known)
        self._name = re.compile(
            rf"[*\[(]*(?:{'|'.join(map(re.escape, known))})[*\])]*\s*[:：]+[*]*\s*"
            if known
            else "(?!)",
            re.IGNORECASE,
        )
        self._heard = heard
        self.raw = ""
        self.said = ""

    def hear(self, piece: str) -> None:
        """One more piece of the model's."""
        self.raw += piece
        if self._heard is not None:
            self._pass_on(self._speech(final=False).rstrip())

    def close(self, cut: bool = False) -> str:
        """The whole reply, which may be empty."""
        text = self._speech(final=True).strip()
        if cut:
            end = max(text.rfind(mark) for mark in _ENDS)
            text = text[: end + 1] if end > 0 else text
        if self._heard is not None:
            self._pass_on(text)
        return text

    def _pass_on(self, text: str) -> None:
        fresh = text[len(self.said) :]
        if fresh and len(text) <= MAX_TEXT and text.startswith(self.said):
            self.said = text
            if self._heard is not None:
                self._heard(fresh)

    def _speech(self, *, final: bool) -> str:
        """What of the pieces is speech; before the end, only as far as it is sure."""
        text = self.raw.lstrip()
        thought = _THOUGHT.match(text)
        if thought is not None:
            text = text[thought.end() :].lstrip()
        elif text.startswith(_THOUGHTS) or (not final and _begins(text, _THOUGHTS)):
            return ""
        fence = _FENCE.match(text)
        if fence is not None:
            text = text[fence.end() :].lstrip()
        elif not final and _MAY_BE_FENCE.fullmatch(text):
            return ""
        name = self._name.match(text)
        if not final and self._may_be_name(text, name):
            return ""
        text = text[name.end() :] if name is not None else text
        if fence is not None:
            text = text.partition("```")[0]
            text = text if final else text.rstrip("`")
        return _CONTROL.sub("", text).lstrip()

    def _may_be_name(self, text: str, name: re.Match[str] | None) -> bool:
        """Whether what comes next could make the beginning, or more of it, a name and a colon."""
        if name is not None:
            return name.end() == len(text)
        bare = text.lstrip("*[(").casefold()
        return any(
            name.startswith(bare)
            or (bare.startswith(name) and not bare[len(name) :].strip(" \t\r\n*])"))
            for name in self._names
        )


def _begins(text: str, wholes: Iterable[str]) -> bool:
    return any(whole.startswith(text) for whole in wholes)


# --- what was found in a turn ----------------------------------------


class ModelAnalyst:
    """Has a model look at a turn, on top of what the offline analyst sees.

    Words are counted by the model only where its counts do not exceed the words there are; facts
    and the topic stay the offline analyst's.
    """

    def __init__(
        self,
        server: ModelServer,
        model: str,
        *,
        fallback: Analyst,
        patience_s: float = ANALYSIS_S,
    ) -> None:
        """
        Args:
            patience_s: seconds after which the offline analysis has to do.
        """
        self._server = server
        self._model = model
        self._fallback = fallback
        self._patience_s = patience_s

    async def analyse(self, utterance: Utterance) -> TurnAnalysis:
        """What the model found; what the offline analyst did, where it found nothing usable."""
        found = self._fallback.analyse(utterance)
        base = await found if isawaitable(found) else found
        try:
            answer = await self._server.chat(
                analysis_of(utterance),
                model=self._model,
                most_tokens=ANALYSIS_TOKENS,
                json=True,
                within_s=self._patience_s,
            )
            return _merged(base, _object(answer.text), utterance)
        except ModelError as error:
            log.warning("analysis.failed", reason=error.reason)
            return base


_FIELDS: Final = frozenset(
    {
        "frictions", "forms", "level", "aligned", "violation", "meaningful", "aggressive",
        "comprehensibility", "l1_words", "l2_words", "hedges", "repairs",
    }
)  # fmt: skip


def _merged(base: TurnAnalysis, told: Mapping[str, Any], utterance: Utterance) -> TurnAnalysis:
    """What a model told, as far as it can be used, over what was known without it.

    Raises:
        ModelError: it told nothing that was asked for.
    """
    if not _FIELDS & told.keys():
        raise ModelError("garbage")
    known = {rule.form for rule in utterance.world.forms} | set(utterance.expected)
    changes: dict[str, Any] = {"source": "model"}
    if isinstance(told.get("frictions"), list):
        findings = [_finding(one, known) for one in told["frictions"][:16]]
        changes["frictions"] = tuple(one for one in findings if one is not None)
    missed = {one.form for one in changes.get("frictions", base.frictions)}
    if isinstance(told.get("forms"), list):
        forms = (one for one in told["forms"] if isinstance(one, str))
        changes["forms"] = tuple(
            dict.fromkeys(one for one in forms if one in known and one not in missed)
        )[:16]
    level = _one_of(RegisterClass, told.get("level"))
    if level is not None:
        changes["level"] = level
    violation = _one_of(RegisterViolation, told.get("violation"))
    aligned = told.get("aligned")
    if violation is not None or isinstance(aligned, bool):
        changes["violation"] = violation
        changes["aligned"] = aligned is True and violation is None
    for name in ("meaningful", "aggressive"):
        if isinstance(told.get(name), bool):
            changes[name] = told[name]
    understood = _number(told.get("comprehensibility"), 1.0)
    if understood is not None:
        changes["comprehensibility"] = round(understood, 6)
    words = sum(1 for token in tokens(utterance.text) if token.key)
    first, second = _count(told.get("l1_words"), words), _count(told.get("l2_words"), words)
    if first is not None and second is not None and 0 < first + second <= words:
        changes |= {"l1_words": first, "l2_words": second, "other_words": words - first - second}
        changes["unique_words"] = min(base.unique_words, second)
    for name in ("hedges", "repairs"):
        count = _count(told.get(name), words)
        if count is not None:
            changes[name] = count
    return TurnAnalysis.model_validate(base.model_dump() | changes)


def _finding(told: Any, known: set[str]) -> FrictionFinding | None:
    if not isinstance(told, dict):
        return None
    kind = _one_of(FrictionType, friction_type(told.get("type")))
    if kind is None:
        return None
    severity = _number(severity_number(told.get("severity")), 1.0)
    form = told.get("form")
    return FrictionFinding(
        type=kind,
        severity=0.5 if severity is None else round(severity, 6),
        form=form if isinstance(form, str) and form in known else "",
        said=_text(told.get("said"), 200),
        detail=_text(told.get("detail"), 500),
    )


# --- three wordings ----------------------------------------


class ModelRefractor:
    """Has a model reword; where it cannot, the persona's cards do."""

    def __init__(
        self,
        server: ModelServer,
        model: str,
        *,
        fallback: Refractor,
        budget: Budget | None = None,
    ) -> None:
        self._server = server
        self._model = model
        self._fallback = fallback
        self._budget = budget or Budget(0)

    async def refract(
        self,
        request: RefractionRequest,
        world: Persona | None,
        settings: TherapeuticSettings | None = None,
    ) -> RefractionResponse:
        """Three wordings with the labels and risks of their levels.

        Raises:
            RefusedError: ``no-wording``: neither the model nor the cards have any.
        """
        began = time.monotonic()
        messages = refraction_of(request, world, settings)
        asked = sum(tokens_of(message["content"]) for message in messages)
        try:
            if not self._budget.allows(request.session_id, asked + REFRACTION_TOKENS):
                raise ModelError("budget")
            answer = await self._server.chat(
                messages, model=self._model, most_tokens=REFRACTION_TOKENS, json=True
            )
            self._budget.spend(request.session_id, answer.tokens or asked + tokens_of(answer.text))
            told = _object(answer.text)
            refractions = Refractions(
                basic=_wording(RefractionLevel.BASIC, told),
                native=_wording(RefractionLevel.NATIVE, told),
                formal=_wording(RefractionLevel.FORMAL, told),
            )
        except ModelError as error:
            log.warning("refraction.failed", session=request.session_id, reason=error.reason)
            return await self._fallback.refract(request, world, settings)
        texts = [
            one.formulation for one in (refractions.basic, refractions.native, refractions.formal)
        ]
        return RefractionResponse(
            intent_analysis=_text(told.get("intent_analysis"), 500),
            refractions=refractions,
            contrastive_notes=_text(told.get("contrastive_notes"), 500),
            metadata=RefractionMetadata(
                processing_time_ms=int((time.monotonic() - began) * 1000),
                model_used=self._model[:200],
                confidence=0.8,
                domain_vocab_used=vocabulary_in(world, texts) if world is not None else (),
            ),
        )


def _wording(level: RefractionLevel, told: Mapping[str, Any]) -> Refraction:
    one = told.get(level.value)
    given = one if isinstance(one, dict) else {"formulation": one}
    text = _text(given.get("formulation"), 1000)
    if not text:
        raise ModelError("garbage")
    return wording(
        level,
        text,
        Explanation(
            grammar=_text(given.get("grammar"), 500),
            vocabulary=_text(given.get("vocabulary"), 500),
            pragmatic_effect=_text(given.get("pragmatic_effect"), 500),
        ),
    )


# --- reading what a model wrote ----------------------------------------

_Word = TypeVar("_Word", bound=StrEnum)


def _object(text: str) -> Mapping[str, Any]:
    """The JSON object a model answered with, whatever it put around it.

    Raises:
        ModelError: there is none.
    """
    text = _THOUGHT.sub("", text)
    start, end = text.find("{"), text.rfind("}")
    try:
        told = json.loads(text[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ModelError("garbage")
    return told


def _one_of(kind: type[_Word], told: Any) -> _Word | None:
    try:
        return kind(told) if isinstance(told, str) else None
    except ValueError:
        return None


def _number(told: Any, most: float) -> float | None:
    """A number, clamped to 0 to ``most``."""
    if isinstance(told, bool) or not isinstance(told, int | float) or told != told:
        return None
    return float(min(max(told, 0), most))


def _count(told: Any, most: int) -> int | None:
    number = _number(told, float(most))
    return None if number is None else int(number)


def _text(told: Any, most: int) -> str:
    return " ".join(_CONTROL.sub("", told).split())[:most] if isinstance(told, str) else ""
