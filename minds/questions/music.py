"""Questions of reading music: how long notes are, where they stand, how far they are apart.

One law: a note by name is a place on the line of fifths (0 is C, 1 G, -1 F), so that its name and
its sound both follow from one number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from holodeck.minds.questions.family import (
    Draft,
    Family,
    Numbers,
    Params,
    Slip,
    Span,
    Value,
    pick,
    rising,
    shuffled,
    through,
)

LETTERS: Final = "CDEFGAB"
_FIFTHS: Final = "FCGDAEB"
_SIGNS: Final = {-2: " double flat", -1: " flat", 0: "", 1: " sharp", 2: " double sharp"}
_MAJOR: Final = (0, 2, 4, -1, 1, 3, 5)
"""The degrees of a major scale, as steps on the line of fifths."""
_STEPS: Final = (0, 2, 4, 5, 7, 9, 11)
"""Half steps of the letters above C."""
_ORDINALS: Final = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "octave")
_LENGTHS: Final = {1: "whole", 2: "half", 4: "quarter", 8: "eighth", 16: "sixteenth"}
_MINOR_OFFSET: Final = 3
_Fifth = Annotated[int, Field(ge=-6, le=6)]
Keys = Annotated[tuple[_Fifth, _Fifth], AfterValidator(rising)]
"""Major keys by their sharps, flats below zero: least and greatest, -6 to 6."""


def note(place: int) -> str:
    """The name of a place on the line of fifths."""
    octave, letter = divmod(place + 1, 7)
    return _FIFTHS[letter] + _SIGNS[octave]


def natural(letter: int) -> int:
    """The place on the line of fifths of a letter, 0 for C to 6 for B."""
    return _FIFTHS.index(LETTERS[letter]) - 1


def notes_near(place: int, avoid: Iterable[int], chance: Random) -> list[Value]:
    """Names of other notes that sound different from it and from each other: first the same
    letter with another sign."""
    taken = {one % 12 for one in avoid} | {place % 12}
    out: list[Value] = []
    for by in (*shuffled(chance, (7, -7)), *shuffled(chance, (2, -2, 5, -5, 1, -1, 3, -3))):
        other = place + by
        if -7 <= other <= 9 and other % 12 not in taken:
            taken.add(other % 12)
            out.append(note(other))
    return out


def _plural(count: int, length: int, dotted: bool = False) -> str:
    named = f"{'dotted ' if dotted else ''}{_LENGTHS[length]} note"
    return f"one {named}" if count == 1 else f"{count} {named}s"


class LengthParams(Params):
    """``shortest``: of the notes, as the bottom of its fraction."""

    kinds: tuple[Literal["fit", "beats", "dotted"], ...] = ("fit", "beats", "dotted")
    shortest: Literal[4, 8, 16] = 16

    @property
    def lengths(self) -> list[int]:
        return [one for one in _LENGTHS if one <= self.shortest]


class NoteValues(Family[LengthParams]):
    """``fit``: how many of which length, and the shorter one that is counted; ``dotted``: the
    dotted length and the shorter one; ``beats``: how many of which length, twice."""

    name = "note-values"
    params = LengthParams
    plain_hint = "From whole to half to quarter to eighth, each note is half as long."

    def axes(self, kind: str, params: LengthParams) -> tuple[Sequence[int], ...]:
        lengths = params.lengths
        match kind:
            case "fit":
                return range(1, 5), lengths, lengths
            case "dotted":
                return lengths, lengths
            case _:
                return range(1, 5), lengths, range(1, 5), lengths

    def fits(self, kind: str, task: Numbers, params: LengthParams) -> bool:
        match kind:
            case "fit":
                return task[1] < task[2]
            case "dotted":
                return task[0] < task[1]
            case _:
                a, x, b, y = task
                beats = Fraction(4 * a, x) + Fraction(4 * b, y)
                return x < y and beats.denominator == 1 and beats <= 16

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "fit":
                return task[0] * task[2] // task[1]
            case "dotted":
                return 3 * task[1] // (2 * task[0])
            case _:
                a, x, b, y = task
                return (4 * a * y + 4 * b * x) // (x * y)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        match kind:
            case "fit":
                count, length, short = task
                one = short // length
                return [
                    *([("one-note-only", one)] if count > 1 else []),
                    ("halved-once-too-little", 2 * count * one),
                    ("added", count + one),
                ]
            case "dotted":
                plain = task[1] // task[0]
                return [
                    ("dot-forgotten", plain),
                    ("dot-doubles", 2 * plain),
                    ("one-more", plain + 1),
                ]
            case _:
                a, _, b, _ = task
                return [("notes-counted", a + b), ("bottoms-added", task[1] + task[3])]

    def word(self, kind: str, task: Numbers, params: LengthParams, chance: Random) -> Draft:
        match kind:
            case "fit":
                count, length, short = task
                one = short // length
                last = "last" if count > 1 else "lasts"
                return Draft(
                    pick(
                        chance,
                        (
                            f"How many {_LENGTHS[short]} notes last as long as "
                            f"{_plural(count, length)}?",
                            f"{_plural(count, length).capitalize()} {last} as long as how many "
                            f"{_LENGTHS[short]} notes?",
                        ),
                    ),
                    (
                        f"One {_LENGTHS[length]} note is as long as {one} {_LENGTHS[short]} notes.",
                        f"{count} × {one} = {count * one}",
                    ),
                    "Halve step by step: whole, half, quarter, eighth, sixteenth.",
                    (one > 2) + (count > 2),
                )
            case "dotted":
                length, short = task
                one = short // length
                return Draft(
                    f"How many {_LENGTHS[short]} notes last as long as "
                    f"{_plural(1, length, dotted=True)}?",
                    (
                        f"Without the dot it is {one} {_LENGTHS[short]} "
                        f"note{'s' if one > 1 else ''}.",
                        f"The dot adds half of that: {one} + {one // 2} = {one + one // 2}",
                    ),
                    "The dot makes the note longer by half of its length.",
                    1 + (one > 4),
                )
            case _:
                a, x, b, y = task
                first, second = Fraction(4 * a, x), Fraction(4 * b, y)
                return Draft(
                    f"If a quarter note is one beat, how many beats are {_plural(a, x)} and "
                    f"{_plural(b, y)} together?",
                    (
                        f"{_plural(a, x).capitalize()}: {first} "
                        f"beat{'s' if first != 1 else ''}. "
                        f"{_plural(b, y).capitalize()}: {second} beat{'s' if second != 1 else ''}.",
                        f"{first} + {second} = {first + second}",
                    ),
                    "How many quarter notes is each of them worth?",
                    (y > 4) + (y > 8),
                    unit="beats",
                )


class BarParams(Params):
    """``bars``: how many there are."""

    kinds: tuple[Literal["beats", "fill", "count"], ...] = ("beats", "fill", "count")
    bars: Span = (2, 8)


class Bars(Family[BarParams]):
    """``beats``, ``count``: beats of a bar and how many bars; ``fill``: beats of a bar, the length
    that is in it, and the length that fills it up. A bar has quarter notes for beats."""

    name = "bars"
    params = BarParams
    plain_hint = "The upper number says how many beats a bar has, the lower which note is a beat."

    def axes(self, kind: str, params: BarParams) -> tuple[Sequence[int], ...]:
        tops = range(2, 7)
        return (tops, (1, 2, 4), (4, 8, 16)) if kind == "fill" else (tops, through(params.bars))

    def fits(self, kind: str, task: Numbers, params: BarParams) -> bool:
        return kind != "fill" or task[0] * task[1] > 4

    def answer(self, kind: str, task: Numbers) -> Value:
        match kind:
            case "beats":
                return task[0] * task[1]
            case "count":
                return task[1]
            case _:
                top, length, short = task
                return (top * length - 4) * short // (4 * length)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        match kind:
            case "beats":
                top, bars = task
                return [
                    ("lower-number", 4 * bars),
                    ("added", top + bars),
                    ("one-bar-less", top * (bars - 1)),
                ]
            case "count":
                top, bars = task
                return [
                    ("lower-number", top * bars // 4),
                    ("subtracted", top * bars - top),
                    ("one-more", bars + 1),
                ]
            case _:
                top, length, short = task
                return [("whole-bar", top * short // 4), ("held-not-rest", short // length)]

    def word(self, kind: str, task: Numbers, params: BarParams, chance: Random) -> Draft:
        match kind:
            case "beats":
                top, bars = task
                return Draft(
                    pick(
                        chance,
                        (
                            f"How many beats are in {bars} bars of {top}/4 time?",
                            f"A piece in {top}/4 time has {bars} bars. How many beats is that?",
                        ),
                    ),
                    (f"A bar of {top}/4 has {top} beats.", f"{bars} × {top} = {bars * top}"),
                    "How many beats does one bar have?",
                    (top > 4) + (bars > 4),
                    unit="beats",
                )
            case "count":
                top, bars = task
                return Draft(
                    f"How many bars of {top}/4 time do {top * bars} quarter notes fill?",
                    (f"One bar holds {top} quarter notes.", f"{top * bars} ÷ {top} = {bars}"),
                    "How many quarter notes does one bar hold?",
                    (top > 4) + (bars > 4),
                    unit="bars",
                )
            case _:
                top, length, short = task
                held = 4 // length
                rest = top - held
                key = rest * short // 4
                return Draft(
                    f"A bar of {top}/4 time begins with one {_LENGTHS[length]} note. "
                    f"How many {_LENGTHS[short]} notes fill it up?",
                    (
                        f"The bar has {top} beats, the {_LENGTHS[length]} note takes {held}.",
                        f"{top} - {held} = {rest} beat{'s' if rest > 1 else ''} are left: "
                        f"{rest} × {short // 4} = {key}",
                    ),
                    "How many beats are left behind the first note?",
                    1 + (short > 4),
                )


class TempoParams(Params):
    """``beats``: how many are played."""

    kinds: tuple[Literal["seconds", "beats"], ...] = ("seconds", "beats")
    beats: Span = (4, 40)


class Tempo(Family[TempoParams]):
    """Beats per minute, and how many beats are played."""

    name = "tempo"
    params = TempoParams
    plain_hint = "How many beats are in one second, or how many seconds in one beat?"

    def axes(self, kind: str, params: TempoParams) -> tuple[Sequence[int], ...]:
        return (30, 40, 60, 90, 120, 180), through(params.beats)

    def fits(self, kind: str, task: Numbers, params: TempoParams) -> bool:
        return task[1] * 60 % task[0] == 0

    def answer(self, kind: str, task: Numbers) -> Value:
        return task[1] * 60 // task[0] if kind == "seconds" else task[1]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        tempo, beats = task
        seconds = beats * 60 // tempo
        if kind == "seconds":
            return [
                ("one-a-second", beats),
                ("wrong-way", beats * tempo // 60),
                ("doubled", 2 * seconds),
            ]
        return [
            ("one-a-second", seconds),
            ("wrong-way", seconds * 60 // tempo),
            ("doubled", 2 * beats),
        ]

    def word(self, kind: str, task: Numbers, params: TempoParams, chance: Random) -> Draft:
        tempo, beats = task
        seconds = beats * 60 // tempo
        slow = f"one beat lasts {Fraction(60, tempo)} seconds" if tempo < 60 else ""
        rate = slow or f"there are {Fraction(tempo, 60)} beats in a second"
        weight = (tempo != 60) + (tempo in (40, 90))
        if kind == "seconds":
            return Draft(
                pick(
                    chance,
                    (
                        f"At {tempo} beats per minute, how many seconds do {beats} beats last?",
                        f"A metronome is set to {tempo} beats per minute. "
                        f"After how many seconds have {beats} beats passed?",
                    ),
                ),
                (f"At {tempo} a minute {rate}.", f"{beats} × 60 ÷ {tempo} = {seconds}"),
                self.plain_hint,
                weight,
                unit="seconds",
            )
        return Draft(
            pick(
                chance,
                (
                    f"At {tempo} beats per minute, how many beats are played in {seconds} seconds?",
                    f"A metronome is set to {tempo} beats per minute. "
                    f"How often does it click in {seconds} seconds?",
                ),
            ),
            (f"At {tempo} a minute {rate}.", f"{seconds} × {tempo} ÷ 60 = {beats}"),
            self.plain_hint,
            weight,
            unit="beats",
        )


_CLEFS: Final = {
    "treble": (2, "E, G, B, D, F", "F, A, C, E"),
    "bass": (4, "G, B, D, F, A", "A, C, E, G"),
}
"""The letter of the bottom line; the lines and the spaces from the bottom up."""


class StaffParams(Params):
    """``ledger``: also the places just above and below the five lines."""

    kinds: tuple[Literal["treble", "bass"], ...] = ("treble", "bass")
    ledger: bool = False


class StaffNotes(Family[StaffParams]):
    """The place on the staff: 0 the lowest line, 1 the space above it, and so on."""

    name = "staff-notes"
    params = StaffParams
    plain_hint = "Go up letter by letter from a line that you know: every line and space counts."

    def axes(self, kind: str, params: StaffParams) -> tuple[Sequence[int], ...]:
        return (range(-2, 11),) if params.ledger else (range(9),)

    def answer(self, kind: str, task: Numbers) -> Value:
        return LETTERS[(_CLEFS[kind][0] + task[0]) % 7]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        other = "bass" if kind == "treble" else "treble"
        return [("other-clef", LETTERS[(_CLEFS[other][0] + task[0]) % 7])]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        at = _CLEFS[kind][0] + task[0]
        return [LETTERS[(at + by) % 7] for by in shuffled(chance, (-2, -1, 1, 2))]

    def word(self, kind: str, task: Numbers, params: StaffParams, chance: Random) -> Draft:
        (place,) = task
        start, lines, spaces = _CLEFS[kind]
        key = LETTERS[(start + place) % 7]
        if place in (-1, 9):
            where = "just below the lowest line" if place < 0 else "just above the highest line"
        elif place in (-2, 10):
            where = f"on the first ledger line {'below' if place < 0 else 'above'} the staff"
        else:
            sort = "space" if place % 2 else "line"
            where = f"{'in' if place % 2 else 'on'} the {_ORDINALS[place // 2 + 1]} {sort}"
            where += ", counted from the bottom"
        inside = 0 <= place <= 8
        return Draft(
            f"With a {kind} clef, which note stands {where}?",
            (
                f"The spaces of the {kind} clef are {spaces}, from the bottom up."
                if inside and place % 2
                else f"The lines of the {kind} clef are {lines}, from the bottom up.",
                f"The note {where} is {key}.",
            ),
            self.plain_hint,
            0 if inside else 2,
        )


class ScaleParams(Params):
    """``keys``: the major scales asked for."""

    kinds: tuple[Literal["degree", "which"], ...] = ("degree", "which")
    keys: Keys = (-1, 1)


class ScaleNotes(Family[ScaleParams]):
    """The scale by its sharps, and the degree."""

    name = "scale-notes"
    params = ScaleParams
    plain_hint = "Go up the scale: whole, whole, half, whole, whole, whole, half."

    def axes(self, kind: str, params: ScaleParams) -> tuple[Sequence[int], ...]:
        return through(params.keys), range(2, 8)

    def answer(self, kind: str, task: Numbers) -> Value:
        key, degree = task
        return f"{note(key)} major" if kind == "which" else note(key + _MAJOR[degree - 1])

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        key, degree = task
        if kind == "degree":
            return notes_near(key + _MAJOR[degree - 1], (), chance)
        return [f"{one} major" for one in notes_near(key, (), chance)]

    def word(self, kind: str, task: Numbers, params: ScaleParams, chance: Random) -> Draft:
        key, degree = task
        asked = note(key + _MAJOR[degree - 1])
        scale = ", ".join(note(key + step) for step in _MAJOR)
        text = (
            f"In which major scale is {asked} the {_ORDINALS[degree]} note?"
            if kind == "which"
            else f"Which is the {_ORDINALS[degree]} note of the {note(key)} major scale?"
        )
        return Draft(
            text,
            (
                f"The scale of {note(key)} major: {scale}.",
                f"Its {_ORDINALS[degree]} note is {asked}"
                + (f", so it is {note(key)} major." if kind == "which" else "."),
            ),
            self.plain_hint,
            min(2, (abs(key) > 1) + (kind == "which")),
        )


class KeyParams(Params):
    """``keys``: by their sharps."""

    kinds: tuple[Literal["count", "major", "minor"], ...] = ("count", "major", "minor")
    keys: Keys = (-3, 3)


class KeySignatures(Family[KeyParams]):
    """The sharps of the key, flats below zero."""

    name = "key-signatures"
    params = KeyParams
    plain_hint = "Each sharp takes the key up a fifth from C, each flat takes it down a fifth."

    def axes(self, kind: str, params: KeyParams) -> tuple[Sequence[int], ...]:
        return (through(params.keys),)

    def answer(self, kind: str, task: Numbers) -> Value:
        (key,) = task
        match kind:
            case "count":
                return abs(key)
            case "major":
                return f"{note(key)} major"
            case _:
                return f"{note(key + _MINOR_OFFSET)} minor"

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        (key,) = task
        match kind:
            case "count":
                return [("one-more", abs(key) + 1)]
            case "major":
                return [("sharps-for-flats", f"{note(-key)} major")] if key % 6 else []
            case _:
                relative = f"{note(key)} minor"
                return [("major-for-minor", relative)]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        (key,) = task
        if kind == "count":
            return ()
        at = key if kind == "major" else key + _MINOR_OFFSET
        used = -key if kind == "major" else key
        return [f"{one} {kind}" for one in notes_near(at, (used,), chance)]

    def word(self, kind: str, task: Numbers, params: KeyParams, chance: Random) -> Draft:
        (key,) = task
        sort = ("sharp" if key > 0 else "flat") + ("s" if abs(key) != 1 else "")
        row = [_FIFTHS[at] + " sharp" for at in range(key)] if key > 0 else []
        row = row or [_FIFTHS[6 - at] + " flat" for at in range(-key)]
        signs = f"{abs(key)} {sort}" if key else "no sharps and no flats"
        listing = f"{note(key)} major has {signs}{': ' if row else ''}{', '.join(row)}."
        weight = (abs(key) > 2) + (kind == "minor")
        match kind:
            case "count":
                sorts = "sharps" if key > 0 else "flats" if key < 0 else "sharps or flats"
                steps = (
                    f"From C to {note(key)} it is {abs(key)} fifth{'s' if abs(key) != 1 else ''} "
                    f"{'down' if key < 0 else 'up'}.",
                    f"{listing} The answer is {abs(key)}.",
                )
                return Draft(
                    f"How many {sorts} does the key of {note(key)} major have?",
                    steps,
                    self.plain_hint,
                    weight,
                )
            case "major":
                return Draft(
                    f"Which major key has {signs}?",
                    (
                        f"Go {abs(key)} fifth{'s' if abs(key) != 1 else ''} "
                        f"{'down' if key < 0 else 'up'} from C.",
                        listing,
                    ),
                    self.plain_hint,
                    weight,
                )
            case _:
                minor = note(key + _MINOR_OFFSET)
                return Draft(
                    f"Which minor key has {signs}?",
                    (
                        listing,
                        f"The minor key with the same signs begins on its sixth note: "
                        f"{minor} minor",
                    ),
                    "Find the major key first; the minor one begins on its sixth note.",
                    weight,
                )


class IntervalParams(Params):
    """``roots``: the lower note, by its letter, 0 for C to 6 for B; ``largest``: interval, 8 for
    an octave."""

    kinds: tuple[Literal["number", "semitones", "above"], ...] = ("number", "semitones", "above")
    roots: Annotated[
        tuple[Annotated[int, Field(ge=0, le=6)], Annotated[int, Field(ge=0, le=6)]],
        AfterValidator(rising),
    ] = (0, 6)
    largest: Annotated[int, Field(ge=3, le=8)] = 8


def _half_steps(root: int, number: int) -> int:
    at = root + number - 1
    return _STEPS[at % 7] + 12 * (at // 7) - _STEPS[root]


class Intervals(Family[IntervalParams]):
    """The lower note's letter, 0 for C to 6 for B, and the interval's number, 8 for an octave."""

    name = "intervals"
    params = IntervalParams
    plain_hint = "Count letter names, the first and the last included."

    def axes(self, kind: str, params: IntervalParams) -> tuple[Sequence[int], ...]:
        return through(params.roots), range(2, params.largest + 1)

    def fits(self, kind: str, task: Numbers, params: IntervalParams) -> bool:
        return kind != "above" or task[1] < 8

    def answer(self, kind: str, task: Numbers) -> Value:
        root, number = task
        match kind:
            case "number":
                return _ORDINALS[number]
            case "semitones":
                return _half_steps(root, number)
            case _:
                return LETTERS[(root + number - 1) % 7]

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        root, number = task
        match kind:
            case "number":
                less = [("first-not-counted", _ORDINALS[number - 1])] if number > 2 else []
                return [*less, ("turned-round", _ORDINALS[9 - number])] if number < 8 else less
            case "semitones":
                return [
                    ("letters-counted", number),
                    ("one-more", _half_steps(root, number) + 1),
                    ("whole-steps-only", 2 * (number - 1)),
                ]
            case _:
                return [
                    ("first-not-counted", LETTERS[(root + number) % 7]),
                    ("wrong-way", LETTERS[(root - number + 1) % 7]),
                ]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        root, number = task
        match kind:
            case "number":
                near = shuffled(
                    chance, (number + 1, number - 1, number + 2, number - 2, number - 3)
                )
                return [_ORDINALS[one] for one in near if 2 <= one <= 8]
            case "above":
                return [LETTERS[(root + number - 1 + by) % 7] for by in (-1, 1, 2, -2)]
            case _:
                return ()

    def word(self, kind: str, task: Numbers, params: IntervalParams, chance: Random) -> Draft:
        root, number = task
        low, high = LETTERS[root], LETTERS[(root + number - 1) % 7]
        names = ", ".join(LETTERS[(root + at) % 7] for at in range(number))
        weight = (number > 4) + (root + number > 7)
        match kind:
            case "number":
                return Draft(
                    f"Which interval is it from {low} up to the next {high}?",
                    (f"Count the letter names: {names}.", f"The interval is: {_ORDINALS[number]}"),
                    self.plain_hint,
                    weight,
                )
            case "semitones":
                steps = [
                    _half_steps(root, at + 1) - _half_steps(root, at) for at in range(1, number)
                ]
                return Draft(
                    f"How many half steps is it from {low} up to the next {high}?",
                    (
                        f"The letters on the way: {names}. Only E to F and B to C are half steps.",
                        f"{' + '.join(map(str, steps))} = {sum(steps)}",
                    ),
                    "From letter to letter it is two half steps, but not everywhere.",
                    min(2, 1 + weight // 2),
                )
            case _:
                article = "an" if number == 8 else "a"
                return Draft(
                    f"Which letter name is {article} {_ORDINALS[number]} above {low}?",
                    (f"Count the letter names: {names}.", f"The note above is {high}."),
                    f"Count letter names and begin with {low} itself.",
                    weight,
                )


class TriadParams(Params):
    """``keys``: the roots of the triads, by the sharps of their major key."""

    kinds: tuple[Literal["third", "fifth", "which"], ...] = ("third", "fifth", "which")
    keys: Keys = (-1, 1)


class Triads(Family[TriadParams]):
    """The root on the line of fifths, and 1 for a major, 0 for a minor triad."""

    name = "triads"
    params = TriadParams
    plain_hint = "From root to third and from third to fifth there is one letter between."

    def axes(self, kind: str, params: TriadParams) -> tuple[Sequence[int], ...]:
        return through(params.keys), (0, 1)

    def answer(self, kind: str, task: Numbers) -> Value:
        root, major = task
        match kind:
            case "third":
                return note(root + (4 if major else -3))
            case "fifth":
                return note(root + 1)
            case _:
                return f"{note(root)} {'major' if major else 'minor'}"

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        root, major = task
        match kind:
            case "third":
                return [("major-for-minor", note(root + (-3 if major else 4)))]
            case "fifth":
                return [("fourth-for-fifth", note(root - 1))]
            case _:
                return [("major-for-minor", f"{note(root)} {'minor' if major else 'major'}")]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        root, major = task
        match kind:
            case "third":
                at, used = root + (4 if major else -3), root + (-3 if major else 4)
                return notes_near(at, (used,), chance)
            case "fifth":
                return notes_near(root + 1, (root - 1,), chance)
            case _:
                mode = "major" if major else "minor"
                return [f"{one} {mode}" for one in notes_near(root, (), chance)]

    def word(self, kind: str, task: Numbers, params: TriadParams, chance: Random) -> Draft:
        root, major = task
        mode = "major" if major else "minor"
        third, fifth = note(root + (4 if major else -3)), note(root + 1)
        three = f"{note(root)}, {third}, {fifth}"
        text = (
            f"Which triad has the notes {three}?"
            if kind == "which"
            else f"Which note is the {kind} of the {note(root)} {mode} triad?"
        )
        return Draft(
            text,
            (
                f"A {mode} third is {4 if major else 3} half steps, a fifth is 7.",
                f"The triad of {note(root)} {mode}: {three}.",
            ),
            "Count half steps up: the third decides between major and minor."
            if kind == "third"
            else self.plain_hint,
            (not major) + (abs(root) > 2),
        )


class SoundParams(Params):
    kinds: tuple[Literal["sharp", "flat"], ...] = ("sharp", "flat")


class SameSound(Family[SoundParams]):
    """A note with a sharp or a flat, on the line of fifths: which note sounds the same?"""

    name = "same-sound"
    params = SoundParams
    plain_hint = "Find the key on the keyboard: the note beside it can lend its name too."

    def axes(self, kind: str, params: SoundParams) -> tuple[Sequence[int], ...]:
        return (range(6, 11),) if kind == "sharp" else (range(-6, -1),)

    def answer(self, kind: str, task: Numbers) -> Value:
        return note(task[0] - 12 if kind == "sharp" else task[0] + 12)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        (place,) = task
        return [("same-letter", note(place - 14 if kind == "sharp" else place + 14))]

    def others(self, kind: str, task: Numbers, chance: Random) -> Sequence[Value]:
        (place,) = task
        five = range(-6, -1) if kind == "sharp" else range(6, 11)
        same = place - 12 if kind == "sharp" else place + 12
        used = place - 14 if kind == "sharp" else place + 14
        return [note(one) for one in shuffled(chance, five) if one not in (same, used)]

    def word(self, kind: str, task: Numbers, params: SoundParams, chance: Random) -> Draft:
        (place,) = task
        key = note(place - 12 if kind == "sharp" else place + 12)
        way = "above" if kind == "sharp" else "below"
        return Draft(
            f"Which note sounds the same as {note(place)}?",
            (
                f"{note(place)} lies a half step {way} {note(place)[0]}.",
                f"It is also a half step {'below' if kind == 'sharp' else 'above'} {key[0]}: {key}",
            ),
            f"Which note with its letter lies just {way} {note(place)}?",
            abs(place) > 7,
        )


class HalfStepParams(Params):
    """``steps``: how many half steps, 11 at most."""

    kinds: tuple[Literal["up", "down"], ...] = ("up", "down")
    steps: Span = (1, 4)


class HalfSteps(Family[HalfStepParams]):
    """From which letter to which, 0 for C to 6 for B: how many half steps on the way?"""

    name = "half-steps"
    params = HalfStepParams
    plain_hint = "Count every key of the keyboard on the way, the black ones too."

    def axes(self, kind: str, params: HalfStepParams) -> tuple[Sequence[int], ...]:
        return range(7), range(7)

    def fits(self, kind: str, task: Numbers, params: HalfStepParams) -> bool:
        low, high = params.steps
        return task[0] != task[1] and low <= self._count(kind, task) <= high

    def _count(self, kind: str, task: Numbers) -> int:
        up = (_STEPS[task[1]] - _STEPS[task[0]]) % 12
        return up if kind == "up" else 12 - up

    def answer(self, kind: str, task: Numbers) -> Value:
        return self._count(kind, task)

    def slips(self, kind: str, task: Numbers) -> Sequence[Slip]:
        count = self._count(kind, task)
        letters = (task[1] - task[0]) % 7 if kind == "up" else (task[0] - task[1]) % 7
        found = [("letters-counted", letters)] if letters != count else []
        return [*found, ("first-counted", count + 1), ("wrong-way", 12 - count)]

    def word(self, kind: str, task: Numbers, params: HalfStepParams, chance: Random) -> Draft:
        start, end = task
        by = 1 if kind == "up" else -1
        row, at = [start], start
        while at != end:
            at = (at + by) % 7
            row.append(at)
        gaps = [
            min((_STEPS[x] - _STEPS[y]) % 12, (_STEPS[y] - _STEPS[x]) % 12)
            for x, y in pairwise(row)
        ]
        count = sum(gaps)
        parts = ", ".join(
            f"{LETTERS[x]} to {LETTERS[y]} {gap}"
            for x, y, gap in zip(row[:-1], row[1:], gaps, strict=True)
        )
        return Draft(
            f"How many half steps is it from {LETTERS[start]} {kind} to the next {LETTERS[end]}?",
            (
                f"From letter to letter: {parts}.",
                f"{' + '.join(map(str, gaps))} = {count}" if len(gaps) > 1 else f"It is {count}.",
            ),
            self.plain_hint,
            (count > 2) + (kind == "down"),
        )


FAMILIES: Final = (
    NoteValues(),
    Bars(),
    Tempo(),
    StaffNotes(),
    ScaleNotes(),
    KeySignatures(),
    Intervals(),
    Triads(),
    SameSound(),
    HalfSteps(),
)
