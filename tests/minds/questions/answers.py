"""Every key once more, from a question's words, by another way than the families take.

One law: nothing here is taken from the families: numbers are read from the text, times are
calendar times, notes are keys of a keyboard, and quotients are found by trying.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import count, cycle, islice
from typing import Final

from holodeck.messages.practice import Question

Answer = Callable[[str, list[int], Question], object]

_KEYBOARD: Final = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_LETTERS: Final = "CDEFGAB"
_NOTE: Final = r"[A-G](?: (?:double )?(?:sharp|flat))?"
_NTH: Final = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth",
               "ninth", "tenth", "eleventh", "twelfth")  # fmt: skip


def ints(text: str) -> list[int]:
    return [int(one.replace(",", "")) for one in re.findall(r"\d+(?:,\d{3}(?!\d))*", text)]


def fractions(text: str) -> list[Fraction]:
    return [Fraction(one) for one in re.findall(r"\d+/\d+", text)]


def calculated(text: str) -> Fraction:
    """The value of a calculation with + - × ÷, products first."""
    total, sign = Fraction(0), 1
    for part in re.split(r" ([+-]) ", text):
        if part in ("+", "-"):
            sign = 1 if part == "+" else -1
            continue
        first, *rest = re.split(r" ([×÷]) ", part)
        value = Fraction(first)
        for operation, other in zip(rest[::2], rest[1::2], strict=True):
            value = value * Fraction(other) if operation == "×" else value / Fraction(other)
        total += sign * value
    return total


def only(numbers: list[int]) -> int:
    assert len(numbers) == 1
    return numbers[0]


def first_that(fits: Callable[[int], bool]) -> int:
    """The least natural number from 1 on."""
    return next(one for one in count(1) if fits(one))


def rounded(number: int, unit: int) -> int:
    return int((Decimal(number) / unit).quantize(Decimal(1), ROUND_HALF_UP) * unit)


# --- numbers ----------------------------------------

_PLACE: Final = {"one": 1, "ten": 10, "hundred": 100, "thousand": 1000, "ten-thousand": 10_000,
                 "hundred-thousand": 100_000, "million": 1_000_000}  # fmt: skip
_ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SAID: Final = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * number for number, word in enumerate(_TENS, start=2)
}


def spoken(words: str) -> int:
    """A number in words: parts below a thousand are put together, then raised."""
    total = part = 0
    for word in words.replace("-", " ").replace(" and ", " ").split():
        if word == "hundred":
            part *= 100
        elif word == "thousand":
            total, part = part * 1000, 0
        else:
            part += _SAID[word]
    return total + part


def place_value(kind: str, task: list[int], asked: Question) -> object:
    text = asked.text
    shown = ints(text)
    if kind == "value":
        digit, number = str(shown[0]), str(shown[1])
        assert number.count(digit) == 1
        return int(digit + "0" * len(number[number.index(digit) + 1 :]))
    if kind == "digit":
        named = re.search(r"(?:in the|for the) ([a-z-]+?)s\b", text)
        assert named is not None
        return only(shown) // _PLACE[named.group(1)] % 10
    if kind == "compose":
        return sum(
            int(digit) * _PLACE[name.removesuffix("s")]
            for digit, name in re.findall(r"(\d) ([a-z-]+)", text)
        )
    if kind == "words":
        said = re.search(r"(?:digits: |number is )(.*)[.?]", text)
        assert said is not None
        return spoken(said.group(1))
    return shown[1] + shown[0] if " more " in text else shown[1] - shown[0]


def order_numbers(kind: str, task: list[int], asked: Question) -> object:
    shown = ints(asked.text)
    if kind == "gap":
        items = asked.text.split(": ")[1].rstrip("?").split(", ")
        gap = items.index("?")
        before, after = int(items[gap - 1].replace(",", "")), int(items[gap + 1].replace(",", ""))
        return Fraction(before + after, 2)
    if kind == "halfway":
        return Fraction(sum(shown), 2)
    assert len(shown) == 4
    return sorted(shown)[-1 if "largest" in asked.text else 0]


def rounding(kind: str, task: list[int], asked: Question) -> object:
    number, unit = ints(asked.text)
    return rounded(number, unit)


# --- sums ----------------------------------------


def addition(kind: str, task: list[int], asked: Question) -> object:
    shown = ints(asked.text)
    if kind == "missing":
        return first_that(lambda one: min(shown) + one == max(shown)) if len(shown) == 2 else None
    return sum(shown)


def subtraction(kind: str, task: list[int], asked: Question) -> object:
    high, low = max(ints(asked.text)), min(ints(asked.text))
    return first_that(lambda one: low + one == high)


def two_step_story(kind: str, task: list[int], asked: Question) -> object:
    a, b, c = ints(asked.text)
    first, second = (
        (1, 1)
        if re.search(r"in all|altogether|on Tuesday", asked.text)
        else (-1, -1)
        if re.search(r"are left|remain|are white", asked.text)
        and "sent" not in asked.text
        and "finds" not in asked.text
        else (1, -1)
        if re.search(r"finds \d+ more|is sent \d+ more|puts in \d+, ", asked.text)
        else (-1, 1)
    )
    return a + first * b + second * c


# --- products ----------------------------------------


def equal_groups(kind: str, task: list[int], asked: Question) -> object:
    shown = ints(asked.text)
    if kind == "repeated":
        return sum(shown)
    groups, size = shown
    return sum(1 for _ in range(groups) for _ in range(size))


def times_table(kind: str, task: list[int], asked: Question) -> object:
    a, b = ints(asked.text)
    if kind == "missing":
        return first_that(lambda one: one * min(a, b) == max(a, b))
    return sum([a] * b)


def division_facts(kind: str, task: list[int], asked: Question) -> object:
    total, other = max(ints(asked.text)), min(ints(asked.text))
    return first_that(lambda one: one * other == total)


def multiplication(kind: str, task: list[int], asked: Question) -> object:
    a, b = ints(asked.text)
    return sum([a] * b)


def division_remainder(kind: str, task: list[int], asked: Question) -> object:
    left, by = max(ints(asked.text)), min(ints(asked.text))
    times = 0
    while left >= by:
        left, times = left - by, times + 1
    return {"both": f"{times} r {left}", "remainder": left, "full": times, "enough": times + 1}[
        kind
    ]


def factors(kind: str, task: list[int], asked: Question) -> object:
    shown = ints(asked.text)
    if kind == "factor":
        number, *options = shown
        return only([one for one in options if number in range(0, number + 1, one)])
    if kind == "prime":
        return only(
            [one for one in shown if [by for by in range(1, one + 1) if one % by == 0] == [1, one]]
        )
    a, b = shown
    if kind == "common-factor":
        return max(one for one in range(1, a + 1) if a % one == 0 and b % one == 0)
    return first_that(lambda one: one % a == 0 and one % b == 0)


def estimation(kind: str, task: list[int], asked: Question) -> object:
    a, b, unit = ints(asked.text)
    sign = 1 if "+" in asked.text else -1
    return rounded(a, unit) + sign * rounded(b, unit)


def reasoning(kind: str, task: list[int], asked: Question) -> object:
    if kind == "inverse":
        sides = {one: one.split(" = ") for one in asked.choices}
        true = [one for one, (left, right) in sides.items() if calculated(left) == int(right)]
        assert len(true) == 1
        return true[0]
    found = re.search(r"\d+ [×+] \d+", asked.text)
    assert found is not None
    wanted = calculated(found.group())
    same = [one for one in asked.choices if calculated(one) == wanted]
    assert len(same) == 1
    return same[0]


# --- fractions ----------------------------------------


def fraction_parts(kind: str, task: list[int], asked: Question) -> object:
    if kind == "line":
        _, _, parts = ints(asked.text)[:3]
        mark = re.search(r"at the (\w+) mark", asked.text)
        assert mark is not None
        return Fraction(_NTH.index(mark.group(1)) + 1, parts)
    parts, some = ints(asked.text)
    return 1 - Fraction(some, parts) if kind == "unshaded" else Fraction(some, parts)


def same_fraction(kind: str, task: list[int], asked: Question) -> object:
    given = fractions(asked.text)[0]
    if kind == "simplify":
        return given
    if kind == "which":
        same = [one for one in asked.choices if Fraction(one) == given]
        assert len(same) == 1
        return same[0]
    other = ints(asked.text)[2]
    return given * other if kind == "top" else other / given


def compare_fractions(kind: str, task: list[int], asked: Question) -> object:
    shown = re.findall(r"\d+/\d+", asked.text)
    assert len({Fraction(one) for one in shown}) == 4
    ordered: list[str] = sorted(shown, key=Fraction)
    return ordered[-1] if "largest" in asked.text else ordered[0]


def fraction_sums(kind: str, task: list[int], asked: Question) -> object:
    a, b = fractions(asked.text)
    return a - b if " - " in asked.text else a + b


def fraction_of(kind: str, task: list[int], asked: Question) -> object:
    (part,) = fractions(asked.text)
    total = only(ints(re.sub(r"\d+/\d+", "", asked.text)))
    return part * total


def fraction_products(kind: str, task: list[int], asked: Question) -> object:
    a, b = fractions(asked.text)
    return a * b if "×" in asked.text else a / b


def mixed_numbers(kind: str, task: list[int], asked: Question) -> object:
    if kind == "improper":
        wholes = ints(asked.text)[0]
        return wholes + fractions(asked.text)[0]
    (given,) = fractions(asked.text)
    wholes = 0
    while given > 1:
        given, wholes = given - 1, wholes + 1
    return f"{wholes} {given}"


# --- measure ----------------------------------------


def coins(kind: str, task: list[int], asked: Question) -> object:
    if kind == "count":
        found = re.findall(r"(one|\d+) coins? of (\d+) cent", asked.text)
        assert len(found) == 2
        return sum(int(value) * (1 if many == "one" else int(many)) for many, value in found)
    a, b = ints(asked.text)
    return b - a if kind == "change" else a + b


def time_of(text: str) -> datetime:
    return datetime.strptime(text, "%H:%M")


def shown_as(time: datetime) -> str:
    return f"{time.hour}:{time.minute:02}"


def clock(kind: str, task: list[int], asked: Question) -> object:
    text, shown = asked.text, ints(asked.text)
    if kind == "minutes":
        return Fraction(only(shown), 12) * 60
    if kind == "hand":
        return Fraction(only(shown), 60) * 12
    if kind == "to-next":
        start, end = (time_of(one) for one in re.findall(r"\d+:\d\d", text))
        if end < start:
            end += timedelta(hours=12)
        return (end - start).seconds // 60
    if kind == "read":
        passed, _, points = shown
        return f"{passed}:{5 * points % 60:02}"
    said = re.fullmatch(r"Which time is (.+) (past|to) (\d+)\?", text)
    assert said is not None
    amount = {"quarter": 15, "half": 30}.get(said.group(1)) or spoken(said.group(1))
    hour = time_of(f"{said.group(3)}:00")
    minutes = timedelta(minutes=amount)
    time = hour + minutes if said.group(2) == "past" else hour + timedelta(days=1) - minutes
    return f"{(time.hour - 1) % 12 + 1}:{time.minute:02}"


def elapsed_time(kind: str, task: list[int], asked: Question) -> object:
    times = [time_of(one) for one in re.findall(r"\d+:\d\d", asked.text)]
    if kind == "duration":
        return (times[1] - times[0]).seconds // 60
    length = re.search(r"(\d+) minutes", asked.text)
    assert length is not None
    by = timedelta(minutes=int(length.group(1)))
    return shown_as(times[0] + by if kind == "end" else times[0] - by)


def perimeter(kind: str, task: list[int], asked: Question) -> object:
    shown = ints(asked.text)
    if kind == "rectangle":
        return sum([*shown, *shown])
    if kind == "square":
        return sum(shown * 4)
    if kind == "side":
        around, side = shown
        return first_that(lambda one: one + side + one + side == around)
    sides, length = shown
    named = {"triangle": 3, "pentagon": 5, "hexagon": 6, "octagon": 8}
    assert sides == next(many for name, many in named.items() if name in asked.text)
    return sum([length] * sides)


def area(kind: str, task: list[int], asked: Question) -> object:
    shown = ints(asked.text)
    if kind == "side":
        return first_that(lambda one: sum([shown[1]] * one) == shown[0])
    long, wide = shown * 2 if kind == "square" else shown
    return len([(x, y) for x in range(long) for y in range(wide)])


_SIZE: Final = {"mm": Fraction(1, 1000), "cm": Fraction(1, 100), "m": Fraction(1),
                "km": Fraction(1000), "g": Fraction(1), "kg": Fraction(1000),
                "ml": Fraction(1, 1000), "l": Fraction(1)}  # fmt: skip


def metric(kind: str, task: list[int], asked: Question) -> object:
    given = re.findall(r"([\d,]+) (mm|cm|km|kg|ml|m|g|l)\b", asked.text)
    into = re.search(r"(?:How many|in) (mm|cm|km|kg|ml|m|g|l)\b", asked.text)
    assert into is not None
    assert given
    amount = sum(int(many.replace(",", "")) * _SIZE[unit] for many, unit in given)
    return amount / _SIZE[into.group(1)]


# --- music ----------------------------------------

_LENGTH: Final = {"whole": Fraction(1), "half": Fraction(1, 2), "quarter": Fraction(1, 4),
                  "eighth": Fraction(1, 8), "sixteenth": Fraction(1, 16)}  # fmt: skip


def pitch(name: str) -> int:
    """Half steps above C of a note by name, 0 to 11."""
    letter, *signs = name.split()
    by = 2 if "double" in signs else 1
    by *= ("sharp" in signs) - ("flat" in signs)
    return (_KEYBOARD[letter] + by) % 12


def named(letter: str, at: int) -> str:
    """The note of a letter that sounds at so many half steps above C."""
    off = (at - _KEYBOARD[letter] + 6) % 12 - 6
    sign = {-2: " double flat", -1: " flat", 0: "", 1: " sharp", 2: " double sharp"}[off]
    return letter + sign


def scale(tonic: str, steps: tuple[int, ...]) -> list[str]:
    """Seven letters in a row, at the distances given."""
    letters = islice(cycle(_LETTERS), _LETTERS.index(tonic[0]), None)
    out, at = [], pitch(tonic)
    for letter, step in zip(letters, (*steps, 0), strict=False):
        out.append(named(letter, at))
        at += step
    return out


_MAJOR: Final = (2, 2, 1, 2, 2, 2)
_MINOR: Final = (2, 1, 2, 2, 1, 2)


def note_values(kind: str, task: list[int], asked: Question) -> object:
    found = re.findall(
        r"(?:(one|\d+) )?(dotted )?(whole|half|quarter|eighth|sixteenth) note", asked.text.lower()
    )
    lengths = [
        (1 if many in ("one", "") else int(many)) * _LENGTH[name] * (Fraction(3, 2) if dot else 1)
        for many, dot, name in found
    ]
    if kind == "beats":
        return sum(lengths[1:]) / lengths[0]
    counted, given = sorted(lengths)
    return given / counted


def bars(kind: str, task: list[int], asked: Question) -> object:
    signature = fractions(re.sub(r"(\d)/4", r"\g<1>000/4000", asked.text))
    beats = int(signature[0] * 4)
    rest = ints(re.sub(r"\d/4", "", asked.text))
    if kind == "beats":
        return sum([beats] * only(rest))
    if kind == "count":
        return Fraction(only(rest), beats)
    held, filler = re.findall(r"(whole|half|quarter|eighth|sixteenth) note", asked.text)
    return (signature[0] - _LENGTH[held]) / _LENGTH[filler]


def tempo(kind: str, task: list[int], asked: Question) -> object:
    per_minute, other = ints(asked.text)
    return (
        Fraction(other * 60, per_minute) if kind == "seconds" else Fraction(other * per_minute, 60)
    )


def staff_notes(kind: str, task: list[int], asked: Question) -> object:
    lines = {"treble": "EGBDF", "bass": "GBDFA"}[kind]
    spaces = {"treble": "FACE", "bass": "ACEG"}[kind]
    text = asked.text

    def step(letter: str, by: int) -> str:
        return _LETTERS[(_LETTERS.index(letter) + by) % 7]

    for words, letter in (
        ("just below the lowest line", step(lines[0], -1)),
        ("just above the highest line", step(lines[-1], 1)),
        ("ledger line below", step(lines[0], -2)),
        ("ledger line above", step(lines[-1], 2)),
    ):
        if words in text:
            return letter
    found = re.search(r"the (\w+) (line|space)", text)
    assert found is not None
    return (lines if found.group(2) == "line" else spaces)[_NTH.index(found.group(1))]


def scale_notes(kind: str, task: list[int], asked: Question) -> object:
    nth = next(at for at, word in enumerate(_NTH) if f"the {word} note" in asked.text)
    if kind == "degree":
        tonic = re.search(rf"of the ({_NOTE}) major", asked.text)
        assert tonic is not None
        return scale(tonic.group(1), _MAJOR)[nth]
    wanted = re.search(rf"is ({_NOTE}) the", asked.text)
    assert wanted is not None
    fits = [
        one
        for one in asked.choices
        if scale(one.removesuffix(" major"), _MAJOR)[nth] == wanted.group(1)
    ]
    assert len(fits) == 1
    return fits[0]


def signs(tonic: str, mode: str) -> int:
    """How many sharps a key has, flats below zero."""
    notes = scale(tonic, _MAJOR if mode == "major" else _MINOR)
    return sum("sharp" in one for one in notes) - sum("flat" in one for one in notes)


def key_signatures(kind: str, task: list[int], asked: Question) -> object:
    if kind == "count":
        tonic = re.search(rf"key of ({_NOTE}) major", asked.text)
        assert tonic is not None
        many = signs(tonic.group(1), "major")
        assert many == 0 or ("sharps" if many > 0 else "flats") in asked.text
        return abs(many)
    has = re.search(r"has (?:(\d+) (sharp|flat)s?|no sharps)", asked.text)
    assert has is not None
    wanted = int(has.group(1) or 0) * (-1 if has.group(2) == "flat" else 1)
    fits = [
        one
        for one in asked.choices
        if one.endswith(kind) and signs(one.rsplit(" ", 1)[0], kind) == wanted
    ]
    assert len(fits) == 1
    return fits[0]


_SIZES: Final = {
    "second": 1,
    "third": 2,
    "fourth": 3,
    "fifth": 4,
    "sixth": 5,
    "seventh": 6,
    "octave": 7,
}


def intervals(kind: str, task: list[int], asked: Question) -> object:
    if kind == "above":
        found = re.search(r"an? (\w+) above ([A-G])", asked.text)
        assert found is not None
        return (_LETTERS * 2)[_LETTERS.index(found.group(2)) + _SIZES[found.group(1)]]
    found = re.search(r"from ([A-G]) up to the next ([A-G])", asked.text)
    assert found is not None
    low, high = found.groups()
    if kind == "semitones":
        return (_KEYBOARD[high] - _KEYBOARD[low] - 1) % 12 + 1
    letters = (_LETTERS * 2).index(high, _LETTERS.index(low) + 1) - _LETTERS.index(low)
    return next(name for name, size in _SIZES.items() if size == letters)


def triads(kind: str, task: list[int], asked: Question) -> object:
    if kind == "which":
        notes = re.findall(_NOTE, asked.text.split("notes ")[1])
        mode = "major" if (pitch(notes[1]) - pitch(notes[0])) % 12 == 4 else "minor"
        assert (pitch(notes[2]) - pitch(notes[0])) % 12 == 7
        return f"{notes[0]} {mode}"
    found = re.search(rf"of the ({_NOTE}) (major|minor) triad", asked.text)
    assert found is not None
    notes = scale(found.group(1), _MAJOR if found.group(2) == "major" else _MINOR)
    return notes[2 if kind == "third" else 4]


def same_sound(kind: str, task: list[int], asked: Question) -> object:
    given = asked.text.removeprefix("Which note sounds the same as ").rstrip("?")
    same = [one for one in asked.choices if pitch(one) == pitch(given) and one != given]
    assert len(same) == 1
    return same[0]


def half_steps(kind: str, task: list[int], asked: Question) -> object:
    found = re.search(r"from ([A-G]) (up|down) to the next ([A-G])", asked.text)
    assert found is not None
    start, way, end = found.groups()
    at, steps = _KEYBOARD[start], 0
    while at % 12 != _KEYBOARD[end] or steps == 0:
        at, steps = at + (1 if way == "up" else -1), steps + 1
    return steps


ANSWERS: Final[dict[str, Answer]] = {
    "place-value": place_value,
    "order-numbers": order_numbers,
    "rounding": rounding,
    "addition": addition,
    "subtraction": subtraction,
    "two-step-story": two_step_story,
    "equal-groups": equal_groups,
    "times-table": times_table,
    "division-facts": division_facts,
    "multiplication": multiplication,
    "division-remainder": division_remainder,
    "factors": factors,
    "estimation": estimation,
    "reasoning": reasoning,
    "fraction-parts": fraction_parts,
    "same-fraction": same_fraction,
    "compare-fractions": compare_fractions,
    "fraction-sums": fraction_sums,
    "fraction-of": fraction_of,
    "fraction-products": fraction_products,
    "mixed-numbers": mixed_numbers,
    "coins": coins,
    "clock": clock,
    "elapsed-time": elapsed_time,
    "perimeter": perimeter,
    "area": area,
    "metric": metric,
    "note-values": note_values,
    "bars": bars,
    "tempo": tempo,
    "staff-notes": staff_notes,
    "scale-notes": scale_notes,
    "key-signatures": key_signatures,
    "intervals": intervals,
    "triads": triads,
    "same-sound": same_sound,
    "half-steps": half_steps,
}


def answer_to(question: Question) -> object:
    """The key: a number, or the text of one of the options."""
    family, kind, task = question.task.split(":")
    return ANSWERS[family](kind, [int(one) for one in task.split(",")], question)


def value_of(option: str) -> object:
    """What an option is worth, so that two that say the same are found."""
    if re.fullmatch(r"-?\d+(\.\d+|/\d+)?", option):
        return Fraction(option)
    if mixed := re.fullmatch(r"(\d+) (\d+/\d+)", option):
        return int(mixed.group(1)) + Fraction(mixed.group(2))
    if re.fullmatch(r"\d+:\d\d", option):
        return time_of(option)
    if re.fullmatch(r"[\d /×÷+-]+", option):
        return calculated(option)
    if note := re.fullmatch(rf"({_NOTE})( major| minor)?", option):
        return pitch(note.group(1)), note.group(2)
    return option
