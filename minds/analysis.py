"""The offline analyst: looks at a turn by its persona's word lists and phrases.

One law: the same utterance of the same world is always found to be the same, at once, and no text
is one it fails on. What it says is what lists can tell; ``docs/analysis.md`` has what they cannot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from holodeck.messages.conversation import FrictionType, RegisterClass, RegisterViolation, Tier
from holodeck.messages.persona import FactRule, Norm, Persona
from holodeck.messages.talk import Character, FactHeard, FrictionFinding, TurnAnalysis
from holodeck.minds.phrases import (
    BREAK,
    Hit,
    Matcher,
    PhraseError,
    Token,
    keys,
    matcher,
    near,
    one_off,
    plain,
    tokens,
)
from holodeck.minds.port import Utterance

MAX_FRICTIONS: Final = 16
MAX_FACTS: Final = 4
MAX_GOALS: Final = 4
SPELLED: Final = 5
"""The shortest word, in letters, whose misspelling is looked for."""


class Tongue(IntEnum):
    """What a word belongs to. ``BOTH`` lasts only until its neighbours have decided; ``NEITHER``
    are names, numbers and fillers."""

    BREAK = 0
    NATIVE = 1
    TARGET = 2
    OTHER = 3
    BOTH = 4
    NEITHER = 5


class _Kind(IntEnum):
    RIGHT = 0
    WRONG = 1
    BREACH = 2
    INFORMAL = 3
    FORMAL = 4
    FAMILIAR = 5
    DISTANT = 6
    REQUEST = 7
    POLITE = 8
    HEDGE = 9
    REPAIR = 10
    INSULT = 11
    TOPIC = 12
    FACT = 13
    GOAL = 14


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a phrase was given in as. ``at``: index of its rule, norm, domain; ``wants``: what
    should have been said."""

    kind: _Kind
    at: int = 0
    wants: str = ""


class World:
    """A persona made ready to be looked for in utterances."""

    def __init__(self, persona: Persona) -> None:
        """
        Raises:
            PhraseError: one of its phrases cannot be matched (a loaded persona has none such).
        """
        self.persona = persona
        lexicon = persona.lexicon
        self.native: set[str] = set()
        self.target: set[str] = set()
        self.names = {key for name in lexicon.names for key in keys(name)}
        self.names.update(key for npc in persona.npcs for key in keys(npc.name))
        self.fillers = {key for word in lexicon.fillers for key in keys(word)}
        self.meaning: dict[str, str] = {}
        """The target word for a word of the native language."""
        for word in lexicon.native:
            self.native.update(keys(word))
        for word in lexicon.target:
            self.target.update(keys(word))
        entries: list[_Entry] = []
        phrases: list[tuple[int, str]] = []

        def look_for(kind: _Kind, many: Sequence[str], at: int = 0, wants: str = "") -> None:
            if many:
                phrases.extend((len(entries), phrase) for phrase in many)
                entries.append(_Entry(kind, at, wants))

        for at, domain in enumerate(persona.vocabulary):
            look_for(_Kind.TOPIC, [word for word in domain.items if keys(word)], at)
            for word, gloss in domain.items.items():
                self.target.update(keys(word))
                for part in gloss.replace("/", ",").split(","):
                    found = [key for key in keys(part) if key]
                    self.native.update(found)
                    if len(found) == 1:
                        self.meaning.setdefault(found[0], word)
        for at, rule in enumerate(persona.forms):
            look_for(_Kind.RIGHT, rule.right, at)
            look_for(_Kind.WRONG, rule.wrong, at)
            for phrase, wants in rule.wants.items():
                look_for(_Kind.WRONG, (phrase,), at, wants)
        for at, norm in enumerate(persona.norms):
            look_for(_Kind.BREACH, norm.breach, at)
        markers = persona.registers
        look_for(_Kind.INFORMAL, markers.informal)
        look_for(_Kind.FORMAL, markers.formal)
        look_for(_Kind.FAMILIAR, markers.familiar)
        look_for(_Kind.DISTANT, markers.distant)
        look_for(_Kind.REQUEST, markers.requests)
        look_for(_Kind.POLITE, markers.politeness)
        look_for(_Kind.HEDGE, lexicon.hedges)
        look_for(_Kind.REPAIR, lexicon.repairs)
        look_for(_Kind.INSULT, lexicon.insults)
        for at, fact in enumerate(persona.facts):
            look_for(_Kind.FACT, (fact.hears,), at)
        self.goals: list[tuple[str, str]] = []
        """NPC and objective that what was said to it may reach."""
        for scenario in persona.scenarios:
            for objective in scenario.objectives:
                look_for(_Kind.GOAL, objective.reached_by, len(self.goals))
                self.goals.append((scenario.npc, objective.id))
        for npc in persona.npcs:
            for cue in npc.cues:
                if cue.reaches is not None:
                    look_for(_Kind.GOAL, cue.hears, len(self.goals))
                    self.goals.append((npc.id, cue.reaches))
        self.target.update(key for text in _spoken(persona) for key in keys(text))
        self.target -= self.names - {key for word in lexicon.target for key in keys(word)}
        self.entries = tuple(entries)
        self.matcher = Matcher(phrases)
        self.target.discard(BREAK)
        self.native.discard(BREAK)
        self._plain = {plain(key) for key in self.target}
        self._closed = lexicon.closed
        self._near: dict[str, set[str]] = {}
        spelled = {
            key for domain in persona.vocabulary for word in domain.items for key in keys(word)
        }
        for word in self.target if lexicon.closed else spelled:
            if len(word) >= SPELLED:
                for rest in near(word):
                    self._near.setdefault(rest, set()).add(word)

    def tongues(self, words: Sequence[str]) -> list[Tongue]:
        """What each word belongs to.

        A word of both languages goes with the nearest word that is of one, of two as near the one
        before it; where there is none in its sentence, with the more frequent language, and with
        the target one if neither is.
        """
        out = [self._tongue(word) for word in words]
        if Tongue.BOTH in out:
            sure = list(out)
            native, target = sure.count(Tongue.NATIVE), sure.count(Tongue.TARGET)
            most = Tongue.NATIVE if native > target else Tongue.TARGET
            for i, tongue in enumerate(sure):
                if tongue is Tongue.BOTH:
                    out[i] = _nearest(sure, i) or most
        return out

    def _tongue(self, word: str) -> Tongue:
        if not word:
            return Tongue.BREAK
        native, target = word in self.native, word in self.target
        if native or target:
            return Tongue.BOTH if native and target else Tongue(1 if native else 2)
        if word in self.names or word in self.fillers or word[0].isdigit():
            return Tongue.NEITHER
        return Tongue.TARGET if plain(word) in self._plain else Tongue.OTHER

    def meant(self, word: str) -> str:
        """The target word that ``word``, of five letters or more, is one letter away from; empty:
        there is none.

        Where the lists are open, an unknown word is more often another form of a word than a
        misspelt one. There only words of the vocabulary are thought of, with the same first and
        the same last letter.
        """
        if len(word) < SPELLED:
            return ""
        bare = plain(word)
        close = {
            one
            for rest in near(word)
            for one in self._near.get(rest, ())
            if (one_off(word, one) or one_off(bare, plain(one)))
            and (self._closed or (one[0] == word[0] and one[-1] == word[-1]))
        }
        return min(close, default="")


def _spoken(persona: Persona) -> Iterator[str]:
    """What the persona itself says in the target language alone."""
    for rule in persona.forms:
        yield from rule.right
        yield from rule.examples
        yield from rule.wants.values()
    for card in persona.refractions:
        yield from (card.basic.text, card.native.text, card.formal.text)
    for npc in persona.npcs:
        if npc.tier > 1:
            yield npc.greeting
            yield from (line for cue in npc.cues for line in cue.says)
            yield from (line for lines in npc.lines.values() for line in lines)
            yield from (line for line in npc.silence.values() if not line.startswith("("))


def _nearest(sure: Sequence[Tongue], at: int) -> Tongue | None:
    before, after = at - 1, at + 1
    while True:
        left = sure[before] if before >= 0 else Tongue.BREAK
        right = sure[after] if after < len(sure) else Tongue.BREAK
        if left in (Tongue.NATIVE, Tongue.TARGET):
            return left
        if right in (Tongue.NATIVE, Tongue.TARGET):
            return right
        if left is Tongue.BREAK and right is Tongue.BREAK:
            return None
        before -= left is not Tongue.BREAK
        after += right is not Tongue.BREAK


class OfflineAnalyst:
    """Finds what lists can tell. Worlds are made ready once and kept, at most 64 of them."""

    def __init__(self) -> None:
        self._worlds: dict[int, World] = {}

    def world(self, persona: Persona) -> World:
        """The persona made ready.

        Raises:
            PhraseError: one of its phrases cannot be matched.
        """
        # Keyed by the object: to compare two personas of a hundred kilobytes takes longer than a
        # turn. The kept world holds its persona, so its number is not given to another.
        found = self._worlds.get(id(persona))
        if found is None:
            if len(self._worlds) >= 64:
                self._worlds.pop(next(iter(self._worlds)))
            found = self._worlds[id(persona)] = World(persona)
        return found

    def analyse(self, utterance: Utterance, *, sought: Sequence[str] = ()) -> TurnAnalysis:
        """What was found in it.

        Args:
            sought: the phrase the learner is to say, where the caller knows it, in one piece or
                several; it is compared with what was said if at least two of its words were.

        Raises:
            PhraseError: the persona was not loaded from a file, and a phrase of it is unsound.
        """
        return _Turn(self.world(utterance.world), utterance, sought).found()


class _Turn:
    """One utterance while it is looked at."""

    def __init__(self, world: World, utterance: Utterance, sought: Sequence[str]) -> None:
        self.world, self.persona, self.utterance = world, world.persona, utterance
        self.character: Character = utterance.character
        self.tier: Tier = utterance.character.tier
        self.expected = frozenset(utterance.expected)
        self.sought = [key for part in sought for key in keys(part) if key]
        text = utterance.text.encode("utf-8", "replace").decode()
        self.tokens: list[Token] = tokens(text)
        self.words = [token.key for token in self.tokens]
        self.tongues = world.tongues(self.words)
        self.frictions: list[FrictionFinding] = []
        self.told: list[set[int]] = []
        """Places of which a rule has said what is wrong."""
        self.hits: dict[_Kind, list[tuple[_Entry, Hit]]] = {}
        for hit in world.matcher.find(self.words):
            entry = world.entries[hit.tag]
            self.hits.setdefault(entry.kind, []).append((entry, hit))

    def found(self) -> TurnAnalysis:
        tongues = self.tongues
        native, target = tongues.count(Tongue.NATIVE), tongues.count(Tongue.TARGET)
        other = tongues.count(Tongue.OTHER)
        meaningful = self._meaningful()
        aggressive = _Kind.INSULT in self.hits
        self._insults()
        forms = self._forms()
        self._breaches()
        level, violation = self._register(target)
        if meaningful:
            self._gaps(native, target, other)
            self._spelling()
            if not any(
                one.type in (FrictionType.LEXICAL, FrictionType.MORPHOSYNTACTIC)
                for one in self.frictions
            ):
                self._compare()
        fitting = f"register-{self.character.register_level.value}"
        if fitting in self.expected and level is self.character.register_level and not violation:
            forms = (fitting, *forms)[:16]
        self.frictions.sort(key=lambda one: (one.form not in self.expected, -one.severity))
        topics = Counter(entry.at for entry, _ in self.hits.get(_Kind.TOPIC, ()))
        topic = max(topics, key=lambda at: (topics[at], -at), default=None)
        return TurnAnalysis(
            l1_words=native,
            l2_words=target,
            other_words=other,
            unique_words=len(
                {
                    word
                    for word, tongue in zip(self.words, tongues, strict=True)
                    if tongue is Tongue.TARGET
                }
            ),
            level=level,
            aligned=None if level is None else violation is None,
            violation=violation,
            frictions=tuple(self.frictions[:MAX_FRICTIONS]),
            forms=forms,
            comprehensibility=self._comprehensible(native, target, other, meaningful),
            meaningful=meaningful,
            aggressive=aggressive,
            hedges=len(self.hits.get(_Kind.HEDGE, ())),
            repairs=len(self.hits.get(_Kind.REPAIR, ())),
            topic="" if topic is None else self.persona.vocabulary[topic].name,
            facts=self._facts(),
            reached=self._reached(),
            source="offline",
        )

    def _said(self, start: int, stop: int) -> str:
        shown = " ".join(token.surface for token in self.tokens[start:stop] if token.key)
        return shown.replace("' ", "'")[:200]

    def _add(
        self, kind: FrictionType, severity: float, form: str, said: str, detail: str = ""
    ) -> None:
        self.frictions.append(
            FrictionFinding(
                type=kind,
                severity=round(min(severity, 1.0), 6),
                detail=detail[:500],
                form=form[:200],
                said=said,
            )
        )

    def _meaningful(self) -> bool:
        """Whether anything was said: not where there is no word, where all are fillers, where two
        or more are all unknown, or where a single one has no vowel or is one letter over again."""
        said = [word for word in self.words if word]
        if not said or all(word in self.world.fillers for word in said):
            return False
        if any(tongue not in (Tongue.OTHER, Tongue.BREAK) for tongue in self.tongues):
            return True
        if len(said) > 1:
            return False
        word = plain(said[0])
        return len(set(word)) > 1 and not (word.isascii() and not set(word) & set("aeiouy"))

    def _insults(self) -> None:
        for _, hit in self.hits.get(_Kind.INSULT, ())[:1]:
            self._add(FrictionType.PRAGMATIC, 0.8, "", self._said(hit.start, hit.stop), "anger")

    def _forms(self) -> tuple[str, ...]:
        """Wrong phrases become frictions: of those of which one lies within the other only one, of
        an expected form before others, one that says what is wanted before one that does not, the
        longer before the shorter. The forms of right phrases that lie in no wrong one of their form
        are returned, those expected first.

        Rules of register hold beyond tier 1 with somebody who wants it formal.
        """
        strict = self.tier != 1 and self.character.register_level in (
            RegisterClass.FORMAL,
            RegisterClass.TECHNICAL,
        )
        taken: dict[int, list[Hit]] = {}
        wrong = [
            (self.persona.forms[entry.at], entry, hit)
            for entry, hit in self.hits.get(_Kind.WRONG, ())
        ]
        wrong.sort(
            key=lambda one: (
                one[0].form not in self.expected,
                not one[1].wants,
                one[2].start - one[2].stop,
                one[2].start,
            )
        )
        for rule, entry, hit in wrong:
            places = taken.setdefault(entry.at, [])
            known = any(_overlap(hit, other) for other in places)
            places.append(hit)
            if known or (rule.type is FrictionType.REGISTER and not strict):
                continue
            place = set(range(hit.start, hit.stop))
            if any(place <= other or other <= place for other in self.told):
                continue
            self.told.append(place)
            detail = f"better: {entry.wants}" if entry.wants else rule.explanation
            self._add(rule.type, rule.severity, rule.form, self._said(hit.start, hit.stop), detail)
        used = {
            self.persona.forms[entry.at].form: None
            for entry, hit in self.hits.get(_Kind.RIGHT, ())
            if not any(_overlap(hit, other) for other in taken.get(entry.at, ()))
        }
        used.update((form, None) for form in self.utterance.expected if self._word_used(form))
        return tuple(sorted(used, key=lambda form: form not in self.expected)[:16])

    def _word_used(self, form: str) -> bool:
        """Whether an expected form that is a word or phrase, not a rule, was said."""
        if self.persona.rule(form) is not None:
            return False
        try:
            return matcher((form,)).any(self.words)
        except PhraseError:
            return False

    def _breaches(self) -> None:
        seen: set[int] = set()
        for entry, hit in self.hits.get(_Kind.BREACH, ()):
            norm: Norm = self.persona.norms[entry.at]
            if entry.at in seen or (norm.tiers and self.tier not in norm.tiers):
                continue
            seen.add(entry.at)
            said = self._said(hit.start, hit.stop)
            self._add(FrictionType.CULTURAL, norm.severity, norm.id, said, norm.description)

    # --- register

    def _register(self, target: int) -> tuple[RegisterClass | None, RegisterViolation | None]:
        """How formal it was, None without a word of the target language, and how that does not
        fit: with a companion everything fits. A misfit is a friction, unless a rule of register
        has found one already."""
        hits = self.hits
        casual = _Kind.INFORMAL in hits or _Kind.FAMILIAR in hits
        formal = _Kind.FORMAL in hits or _Kind.DISTANT in hits
        if not target and not casual and not formal:
            return None, None
        if casual:
            level = RegisterClass.MIXED if formal else RegisterClass.INFORMAL
        else:
            level = RegisterClass.FORMAL if formal else RegisterClass.NEUTRAL
        violation, by = self._misfit(level)
        if violation is not None and not any(
            one.type is FrictionType.REGISTER for one in self.frictions
        ):
            place = hits[by][0][1]
            severity = _MISFIT[violation] + (0.15 if self.tier == 3 else 0.0)
            self._add(
                FrictionType.REGISTER,
                severity,
                f"register-{self.character.register_level.value}",
                self._said(place.start, place.stop),
                violation.value,
            )
        return level, violation

    def _misfit(self, level: RegisterClass) -> tuple[RegisterViolation | None, _Kind]:
        none = (None, _Kind.INFORMAL)
        if self.tier == 1:
            return none
        hits = self.hits
        polite = _Kind.POLITE in hits or _Kind.FORMAL in hits
        match self.character.register_level:
            case RegisterClass.MIXED:
                return none
            case RegisterClass.INFORMAL:
                if level is RegisterClass.FORMAL and _Kind.DISTANT in hits:
                    return RegisterViolation.TOO_FORMAL, _Kind.DISTANT
                return none
            case RegisterClass.NEUTRAL:
                if _Kind.INFORMAL in hits and not polite:
                    return RegisterViolation.TOO_INFORMAL, _Kind.INFORMAL
            case RegisterClass.FORMAL | RegisterClass.TECHNICAL:
                if _Kind.FAMILIAR in hits:
                    return RegisterViolation.ADDRESS, _Kind.FAMILIAR
                if _Kind.INFORMAL in hits:
                    return RegisterViolation.TOO_INFORMAL, _Kind.INFORMAL
        if _Kind.REQUEST in hits and not polite:
            return RegisterViolation.POLITENESS, _Kind.REQUEST
        return none

    # --- words

    def _gaps(self, native: int, target: int, other: int) -> None:
        """Words of the native language where one of the target language was needed.

        Beyond tier 1 any of them, weighed by their share. A companion understands both: there only
        a word that stands inside a sentence of the target language counts, and weighs little.
        """
        runs = list(self._runs())
        if self.tier == 1:
            runs = [run for run in runs if self._inside(*run)]
            severity = 0.15
        else:
            share = native / max(1, native + target + other)
            severity = min(0.25 + 0.6 * share + (0.1 if self.tier == 3 else 0.0), 0.95)
        if not runs:
            return
        form = ""
        for start, stop in runs:
            for word in self.words[start:stop]:
                form = form or self.world.meaning.get(word, "")
        said = " ".join(self._said(start, stop) for start, stop in runs)[:200]
        self._add(FrictionType.LEXICAL, severity, form, said, "said in the native language")

    def _runs(self) -> list[tuple[int, int]]:
        """Unbroken stretches of native words."""
        out: list[tuple[int, int]] = []
        for i, tongue in enumerate(self.tongues):
            if tongue is Tongue.NATIVE:
                if out and out[-1][1] == i:
                    out[-1] = (out[-1][0], i + 1)
                else:
                    out.append((i, i + 1))
        return out

    def _inside(self, start: int, stop: int) -> bool:
        """Whether a native stretch fills a gap in a sentence of the target language: target words
        on both sides, or two before it and a word in it that the vocabulary has."""
        before = self.tongues[start - 1] if start else Tongue.BREAK
        after = self.tongues[stop] if stop < len(self.tongues) else Tongue.BREAK
        if before is not Tongue.TARGET:
            return False
        if after is Tongue.TARGET:
            return True
        second = self.tongues[start - 2] if start > 1 else Tongue.BREAK
        return (
            after in (Tongue.BREAK, Tongue.NEITHER)
            and second is Tongue.TARGET
            and stop - start <= 5
            and any(word in self.world.meaning for word in self.words[start:stop])
        )

    def _spelling(self) -> None:
        """Unknown words one letter from a known one; where the lists are closed, other unknown
        words beside a target one as well."""
        closed = self.persona.lexicon.closed
        for i, tongue in enumerate(self.tongues):
            if tongue is not Tongue.OTHER or any(i in place for place in self.told):
                continue
            meant = self.world.meant(self.words[i])
            if meant:
                self._add(FrictionType.LEXICAL, 0.15, meant, self._said(i, i + 1), "spelling")
            elif closed and Tongue.TARGET in self.tongues[max(0, i - 1) : i + 2]:
                self._add(FrictionType.LEXICAL, 0.2, "", self._said(i, i + 1), "unknown word")

    def _compare(self) -> None:
        """What was said beside the phrase that was sought.

        What is only unfinished is no friction: one stretch of the phrase and no more, at the end of
        the sentence, or at its beginning where the phrase's own beginning is left out.
        """
        sought = [plain(word) for word in self.sought]
        said = [plain(word) for word in self.words]
        width = len(sought)
        start, at, length = _common(said, sought)
        missing = list((Counter(sought) - Counter(said)).elements())
        if not sought or length == width or width - len(missing) < min(2, width):
            return
        stop = start + length
        if length == width - len(missing) and (
            (at + length == width or not any(said[stop : stop + 1]))
            and (at == 0 or not any(said[max(0, start - 1) : start]))
        ):
            return
        phrase = " ".join(self.sought).replace("' ", "'")
        shown = self._said(0, len(self.tokens))
        if not missing:
            self._add(FrictionType.MORPHOSYNTACTIC, 0.3, phrase, shown, "in another order")
            return
        lexical = any(len(word) > 3 for word in missing)
        kind = FrictionType.LEXICAL if lexical else FrictionType.MORPHOSYNTACTIC
        severity = 0.2 + 0.3 * len(missing) / width
        self._add(kind, severity, phrase, shown, f"without: {' '.join(missing)}")

    # --- sums

    def _comprehensible(
        self, native: int, target: int, other: int, meaningful: bool
    ) -> float | None:
        """Chance that somebody who knows only the target language understands without effort.

        1 - 0.8 of the native words' share - 0.4 of the unknown words' share (0.1 where the lists
        are open, since most of them are only words the author did not list) - a quarter of the
        severities of lexical and morphosyntactic frictions of the target words, at most 0.4; 0.1
        where nothing was said; None without a word. An estimate of ours, fitted to nothing.
        """
        if not any(self.words):
            return None
        if not meaningful:
            return 0.1
        counted = native + target + other
        if not counted:
            return 1.0
        slips = sum(
            one.severity
            for one in self.frictions
            if one.type in (FrictionType.LEXICAL, FrictionType.MORPHOSYNTACTIC)
            and one.detail != "said in the native language"
        )
        unknown = 0.4 if self.persona.lexicon.closed else 0.1
        left = 1.0 - (0.8 * native + unknown * other) / counted - min(0.4, slips / 4)
        return round(max(0.0, left), 6)

    def _reached(self) -> tuple[str, ...]:
        found = [self.world.goals[entry.at] for entry, _ in self.hits.get(_Kind.GOAL, ())]
        own = self.character.npc
        return tuple(dict.fromkeys(goal for npc, goal in found if npc == own))[:MAX_GOALS]

    def _facts(self) -> tuple[FactHeard, ...]:
        out: dict[str, FactHeard] = {}
        for entry, hit in self.hits.get(_Kind.FACT, ()):
            rule: FactRule = self.persona.facts[entry.at]
            word = self.tokens[hit.free[0]].surface if hit.free else ""
            if word and self.words[hit.free[0]] not in self.world.fillers:
                fact = rule.keeps.replace("{0}", word)[:300]
                out.setdefault(
                    fact,
                    FactHeard(fact=fact, category=rule.category, confidence=rule.confidence),
                )
        return tuple(out.values())[:MAX_FACTS]


_MISFIT: Final = {
    RegisterViolation.TOO_FORMAL: 0.1,
    RegisterViolation.TOO_INFORMAL: 0.35,
    RegisterViolation.POLITENESS: 0.3,
    RegisterViolation.ADDRESS: 0.45,
    RegisterViolation.SPEECH_ACT: 0.4,
}
"""How much each misfit weighs; a tier 3 adds 0.15."""


def _overlap(a: Hit, b: Hit) -> bool:
    return a.start < b.stop and b.start < a.stop


def _common(said: Sequence[str], sought: Sequence[str]) -> tuple[int, int, int]:
    """The longest stretch of one that stands in the other: where in each it begins, its length."""
    best = (0, 0, 0)
    ends = [0] * (len(sought) + 1)
    for i, word in enumerate(said):
        before = 0
        for j, other in enumerate(sought):
            length = before + 1 if word == other else 0
            before, ends[j + 1] = ends[j + 1], length
            if length > best[2]:
                best = (i - length + 1, j - length + 1, length)
    return best
