"""Names, things and short stories that a calculation can hide in.

One law: a story carries the numbers of its task, each as digits and no other ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from holodeck.minds.questions.family import pick, said

NAMES: Final = (
    "Aino", "Amara", "Anton", "Aylin", "Bela", "Bruno", "Carmen", "Chidi", "Dana", "Dilan",
    "Eero", "Elif", "Emil", "Farah", "Felix", "Greta", "Hana", "Hugo", "Ines", "Ivo",
    "Jamal", "Jana", "Kofi", "Lale", "Leon", "Lin", "Luca", "Mara", "Milo", "Nadia",
    "Nils", "Noor", "Olga", "Omar", "Pia", "Quinn", "Rafa", "Rosa", "Samir", "Selma",
    "Tarek", "Tilda", "Uma", "Viktor", "Wanda", "Yara", "Yusuf", "Zoe",
)  # fmt: skip
THINGS: Final = (
    "acorns", "badges", "beads", "buttons", "cards", "chestnuts", "crayons", "feathers",
    "marbles", "paper boats", "pebbles", "pencils", "seeds", "shells", "stamps", "stickers",
)  # fmt: skip
"""Small enough to own hundreds of."""

ADDING: Final = (
    "{name} has {a} {things} and finds {b} more. How many {things} does {name} have now?",
    "There are {a} {things} in one box and {b} in another. How many {things} are there in all?",
    "{name} collects {a} {things}, {other} collects {b}. How many do they have together?",
    "In the morning {name} counts {a} {things}, in the afternoon {b} more. "
    "How many {things} is that altogether?",
    "{name} had {a} {things} before {other} brought {b}. How many {things} does {name} have now?",
)
TAKING: Final = (
    "{name} has {a} {things} and gives {b} to {other}. How many {things} are left?",
    "There are {a} {things} in a jar. {name} takes out {b}. How many stay in the jar?",
    "{name} has {a} {things}, {other} has {b}. How many more {things} does {name} have?",
    "A shop has {a} {things} and sells {b} of them. How many {things} remain?",
    "Of {a} {things}, {b} are blue and the rest are green. How many are green?",
)
GROUPS: Final = (
    "{name} fills {a} bags with {b} {things} each. How many {things} is that in all?",
    "There are {a} boxes with {b} {things} in each. How many {things} are there altogether?",
    "{a} children bring {b} {things} each. How many {things} do they bring together?",
    "{name} lays {a} rows of {b} {things}. How many {things} does {name} lay?",
    "On each of {a} days, {name} finds {b} {things}. How many {things} does {name} find in all?",
)
SHARING: Final = (
    "{name} shares {a} {things} equally among {b} friends. How many does each friend get?",
    "{a} {things} go into {b} equal piles. How many {things} are in each pile?",
    "{b} children share {a} {things} fairly. How many does each child get?",
)
PACKING: Final = (
    "{name} puts {a} {things} into bags of {b}. How many bags are filled?",
    "One box holds {b} {things}. How many boxes does {name} fill with {a} {things}?",
    "{name} makes chains of {b} {things} each from {a} {things}. How many chains are there?",
)
LEFT_OVER: Final = (
    "{name} shares {a} {things} equally among {b} friends. How many {things} are left over?",
    "{a} {things} are packed into full bags of {b}. How many {things} do not fit into a full bag?",
    "{name} lays {a} {things} in full rows of {b}. How many {things} are left for the last row?",
)
FULL_ONLY: Final = (
    "{name} packs {a} {things} into bags of {b}. How many bags become full?",
    "{b} {things} make one chain. How many whole chains can {name} make from {a} {things}?",
    "{name} lays {a} {things} in rows of {b}. How many rows are complete?",
)
ALL_IN: Final = (
    "One car carries {b} children. How many cars do {a} children need so that everybody can ride?",
    "One box holds {b} {things}. How many boxes does {name} need for all of {a} {things}?",
    "Each table seats {b} guests. How many tables do {a} guests need so that everybody sits?",
)
MORE_THEN_MORE: Final = (
    "{name} has {a} {things}, finds {b} more on Monday and {c} more on Tuesday. "
    "How many {things} does {name} have then?",
    "A school collects {a} {things} in spring, {b} in summer and {c} in autumn. "
    "How many {things} is that in all?",
    "There are {a} {things} in the red box, {b} in the blue one and {c} in the green one. "
    "How many are there altogether?",
)
MORE_THEN_LESS: Final = (
    "{name} has {a} {things} and finds {b} more. Then {name} gives {c} to {other}. "
    "How many {things} does {name} have then?",
    "A shop has {a} {things} and is sent {b} more. It sells {c}. How many {things} are left?",
    "There are {a} {things} in a jar. {name} puts in {b}, {other} takes out {c}. "
    "How many {things} are in the jar now?",
)
LESS_THEN_MORE: Final = (
    "{name} has {a} {things}, loses {b} and later finds {c} new ones. "
    "How many {things} does {name} have now?",
    "A shop has {a} {things}. It sells {b} and is then sent {c} more. "
    "How many {things} does it have?",
    "From {a} {things} in a chest, {name} takes {b}. {other} then puts in {c}. "
    "How many {things} are in the chest?",
)
LESS_THEN_LESS: Final = (
    "{name} has {a} {things}, gives {b} to {other} and loses {c}. How many {things} are left?",
    "A shop has {a} {things}. It sells {b} on Friday and {c} on Saturday. How many remain?",
    "Of {a} {things}, {b} are red, {c} are blue and the rest are white. How many are white?",
)


def tell(chance: Random, stories: Sequence[str], a: int, b: int, c: int = 0) -> str:
    """One of the stories with names and things of chance."""
    name = pick(chance, NAMES)
    other = pick(chance, NAMES)
    if other == name:
        other = NAMES[(NAMES.index(name) + 7) % len(NAMES)]
    return pick(chance, stories).format(
        name=name, other=other, things=pick(chance, THINGS), a=said(a), b=said(b), c=said(c)
    )
