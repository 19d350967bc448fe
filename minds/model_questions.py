"""Questions a language model makes.

One law: what a model says passes the contract and every check before anybody is asked it; what it
did wrong is told to it, three tries in all, and then it is done without.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from random import Random
from typing import Final, Protocol

import structlog

from holodeck.messages.curriculum import Curriculum, Skill
from holodeck.messages.practice import Question, SkillTier, Supply
from holodeck.minds.checking import UnsoundQuestion, checked
from holodeck.minds.model import Mouth
from holodeck.minds.prompts import ChatMessage, quoted
from holodeck.minds.questions.family import shuffled, tells
from holodeck.minds.server import ModelError, ModelServer

log = structlog.get_logger("holodeck.minds")

TRIES: Final = 3
QUESTION_TOKENS: Final = 700
PATIENCE_S: Final = 30.0
PRIOR: Final = 8
"""Earlier questions the model is told, the newest ones."""
ERRORS: Final = 5
"""Recent mistakes it is told."""
_ECHO: Final = 3000
"""Characters of a reply that the model is shown again."""

_PLACED: Final = re.compile(
    r"\b(?:all|none|both|neither|any|either|one|two) of (?:the above|these|them)\b"
    r"|\b(?:first|second|third|fourth|last) (?:option|choice|answer)\b"
    r"|\b(?:option|choice|answer) [A-D1-4]\b|^\s*[A-Da-d1-4][).:]\s|^[A-D] (?:and|or) [A-D]$",
    re.IGNORECASE,
)
"""An option that speaks of others or of its place, which would be wrong once they are shuffled."""
_FINAL: Final = re.compile(r"http-4\d\d|refused")
_AGAIN: Final = frozenset({"http-408", "http-429"})


class Questions(Protocol):
    """Makes questions at once, as the families of the program do."""

    def __call__(
        self,
        skill: Skill,
        tier: SkillTier,
        seed: str,
        avoid: frozenset[str],
        errors: Sequence[str] = (),
        prior: Sequence[str] = (),
    ) -> Supply: ...


class ModelQuestions:
    """Has a model make questions; where it cannot, the fallback does."""

    def __init__(
        self,
        server: ModelServer,
        fallback: Questions | None,
        *,
        model: str,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """
        Args:
            fallback: None: the supply then holds no question, and says why.
            patience_s: seconds for one question, all tries together.
        """
        self._server = server
        self._fallback = fallback
        self._model = model
        self._patience_s = patience_s

    async def generate(
        self,
        skill: Skill,
        tier: SkillTier,
        seed: str,
        avoid: frozenset[str],
        errors: Sequence[str] = (),
        prior: Sequence[str] = (),
        *,
        curriculum: Curriculum | None = None,
    ) -> Supply:
        """A question for a skill; never raises because of the model.

        Args:
            seed: of the order of the options.
            avoid: tasks not to be asked again (``Question.task``).
            errors: recent wrong answers, each in a sentence; prior: texts of earlier questions,
                the newest last.
            curriculum: says whether keys are recomputed, and what the subject is called.

        Returns:
            ``tries`` of the model; ``fatal`` where another would be in vain.
        """
        messages = messages_of(skill, tier, curriculum, errors, prior)
        deadline = time.monotonic() + self._patience_s
        asked = frozenset(map(_words, prior))
        tries, fatal, reason = 0, False, ""
        while tries < TRIES and not fatal:
            left = deadline - time.monotonic()
            if left <= 0:
                reason = "timeout"
                break
            tries += 1
            try:
                answer = await self._server.chat(
                    messages,
                    model=self._model,
                    most_tokens=QUESTION_TOKENS,
                    json=True,
                    within_s=left,
                )
            except ModelError as error:
                # The server was asked again already where that could help.
                reason = str(error)
                fatal = _FINAL.fullmatch(error.reason) is not None and error.reason not in _AGAIN
                break
            try:
                question = self._question(answer.text, skill, tier, curriculum)
                if _words(question.text) in asked or question.task in avoid:
                    raise UnsoundQuestion("structural", "this was asked before: make another one")
                return Supply(
                    skill=skill.id, tier=tier, question=_shuffled(question, seed), tries=tries
                )
            except UnsoundQuestion as error:
                reason, fatal = str(error), not error.retryable
                messages = [*messages, *_told(answer.text, error)]
        log.warning("question.failed", skill=skill.id, tries=tries, reason=reason[:200])
        if self._fallback is not None:
            supply = self._fallback(skill, tier, seed, avoid, errors, prior)
            return supply.model_copy(update={"tries": max(1, tries)})
        return Supply(
            skill=skill.id, tier=tier, tries=max(1, tries), fatal=fatal, reason=reason[:500]
        )

    def _question(
        self, text: str, skill: Skill, tier: SkillTier, curriculum: Curriculum | None
    ) -> Question:
        """
        Raises:
            UnsoundQuestion: the reply is no question that may be asked.
        """
        question = checked(
            _object(text),
            skill=skill.id,
            tier=tier,
            math=curriculum is not None and curriculum.checked == "math",
            source=self._model[:100],
        )
        for choice in question.choices:
            if _PLACED.search(choice):
                raise UnsoundQuestion(
                    "answer-format", f"the choice {choice!r} speaks of its place or of others"
                )
        kept = tier is SkillTier.LEARN and not tells(question.hint, question.answer)
        return question.model_copy(
            update={
                "hint": question.hint if kept else "",
                "task": f"model:{_words(question.text)}"[:200],
            }
        )


def _object(text: str) -> object:
    mouth = Mouth()
    mouth.hear(text)
    try:
        said = json.loads(mouth.close())
    except (ValueError, RecursionError):
        raise UnsoundQuestion("structural", "the reply is no JSON object") from None
    return said


def _words(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+|[-+*/×÷=]", text.casefold()))


def _shuffled(question: Question, seed: str) -> Question:
    chance = Random(f"{seed}:{question.skill}:{question.tier}")
    return question.model_copy(update={"choices": tuple(shuffled(chance, question.choices))})


# --- what the model is told ----------------------------------------

_RULES: Final = """\
You write one practice question for a learner. Reply with one JSON object and nothing else.
Its fields, all of them and no others:
- "text": the question, 1 to 500 characters, complete in itself. Plain text, no markup.
- "format": "numeric" where a number is typed in, or "multiple_choice".
- "answer": the key. An integer without leading zeros or separators; a decimal without zeros at its
  end; a fraction as a/b in lowest terms; with multiple choice exactly the text of one choice.
- "answer_type": "integer", "decimal", "fraction", or "text" (only with multiple_choice).
- "choices": with multiple_choice four texts, different in value, one of them the key and the
  others what typical mistakes come to; else []. They are shuffled, so none may speak of its place
  or of the others, and none begins with a letter or a number for itself.
- "hint": {hint}
- "difficulty": an integer from {low} to {high}.
- "explanation": 1 to 1000 characters, step by step, ending with the key.
Work the answer out before you write it: it is checked."""


def messages_of(
    skill: Skill,
    tier: SkillTier,
    curriculum: Curriculum | None,
    errors: Sequence[str] = (),
    prior: Sequence[str] = (),
) -> list[ChatMessage]:
    """What is asked: the rules, then the skill; what a learner wrote is quoted."""
    learn = tier is SkillTier.LEARN
    hint = "a first step, which does not tell the answer." if learn else 'always "".'
    low, high = (1, 3) if learn else (3, 5)
    lines = []
    if curriculum is not None:
        lines += [f"Subject: {curriculum.subject or curriculum.name}",
                  f"Language of every text: {curriculum.language}"]  # fmt: skip
    lines += [f"Skill: {skill.name} (grade {skill.grade})", f"It means: {skill.description}"]
    if skill.keywords:
        lines.append(f"Keywords: {', '.join(skill.keywords)}")
    lines.append(
        "Tier: learn, so the step is small and the numbers are friendly."
        if learn
        else "Tier: prove, so no help is given and the question may be demanding."
    )
    if prior:
        lines.append("Asked before, so ask something else:")
        lines += [f"- {' '.join(text.split())}" for text in prior[-PRIOR:]]
    if errors:
        lines.append("Recent mistakes; prefer a question in which they would show:")
        lines += [f"- {quoted(text)}" for text in errors[-ERRORS:]]
    rules = _RULES.replace("{hint}", hint).replace("{low}", str(low)).replace("{high}", str(high))
    return [
        {"role": "system", "content": rules},
        {"role": "user", "content": "\n".join(lines)},
    ]


def _told(reply: str, error: UnsoundQuestion) -> list[ChatMessage]:
    return [
        {"role": "assistant", "content": reply[:_ECHO]},
        {
            "role": "user",
            "content": f"That cannot be used. {error.validator}: {error.problem[:1000]}. "
            "Send the whole object again, corrected.",
        },
    ]
