"""Personas: what comes with the program is sound, and what is wrong is told with its line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holodeck.messages.conversation import FrictionType, RegisterClass
from holodeck.messages.persona import Fault, Persona
from holodeck.messages.talk import Character
from holodeck.minds.analysis import OfflineAnalyst
from holodeck.minds.personas import PACKAGED, Library, PersonaError, check, load, parse
from holodeck.minds.phrases import heard
from holodeck.minds.port import Utterance

SMALL = """\
id: small-world
name: Small
native_language: en
target_language: es
domain: tests
objective: Say hello
groups:
  feeling: cansado cansada
vocabulary:
  - name: words
    items: {hola: hello, no: no, "12": twelve}
forms:
  - form: ser-estar
    type: morphosyntactic
    wrong: [soy <feeling>]
    right: [estoy <feeling>]
npcs:
  - id: ana-small
    name: Ana
    role: friend
    tier: 2
    personality: Kind.
    greeting: "¡Hola!"
    cues:
      - {hears: [hola], says: [Hola.], opens: [ser-estar], reaches: greet}
    lines: {default: ["Sí, {said}."]}
locations:
  - {id: square, name: Square, npcs: [ana-small]}
scenarios:
  - id: hello
    title: Hello
    npc: ana-small
    location: square
    objectives: [{id: greet, title: Greet, reached_by: [hola]}]
"""


def faults(text: str) -> dict[str, Fault]:
    return {fault.path: fault for fault in parse(text)[1]}


def line_of(text: str, words: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if words in line)


def test_a_small_world_is_sound() -> None:
    persona, found = parse(SMALL)
    assert found == ()
    assert persona is not None
    assert persona.forms[0].wrong == ("soy cansado|cansada",)
    assert persona.vocabulary[0].items == {"hola": "hello", "no": "no", "12": "twelve"}


@pytest.mark.parametrize(
    ("old", "new", "path", "says"),
    [
        ("objective: Say hello", "objectiv: Say hello", "objectiv", "did you mean 'objective'?"),
        ("    tier: 2", "    tier: 4", "npcs.0.tier", "1, 2 or 3"),
        ("opens: [ser-estar]", "opens: [ser-estra]", "npcs.0.cues.0.opens.0", "'ser-estar'?"),
        ("reaches: greet", "reaches: great", "npcs.0.cues.0.reaches", "did you mean 'greet'?"),
        ("npc: ana-small", "npc: ana-smal", "scenarios.0.npc", "did you mean 'ana-small'?"),
        ("location: square", "location: round", "scenarios.0.location", "there is no location"),
        ("npcs: [ana-small]}", "npcs: [bob]}", "locations.0.npcs.0", "there is no npc 'bob'"),
        ("npcs: [ana-small]}", "npcs: []}", "npcs.0.id", "tier 2 and no location"),
        ("wrong: [soy <feeling>]", "wrong: [soy <felling>]", "forms.0.wrong.0", "'feeling'?"),
        ("wrong: [soy <feeling>]", 'wrong: ["*"]', "forms.0.wrong.0", "holds no word"),
        ("wrong: [soy <feeling>]", 'wrong: ["a||b"]', "forms.0.wrong.0", "empty"),
        ("{default: [", "{warm: [", "npcs.0.lines", "'default' is missing"),
        ("{said}", "{sad}", "npcs.0.lines.default.0", "nobody fills in {sad}"),
        ("name: Ana", "nome: Ana", "npcs.0.name", "is missing"),
        ("id: small-world", "id: Small World", "id", "Small World"),
        ("domain: tests", "domain: tests\ndomain: more", "", "stands there twice"),
    ],
)
def test_each_fault_is_told_with_its_line(old: str, new: str, path: str, says: str) -> None:
    assert old in SMALL
    text = SMALL.replace(old, new)
    found = faults(text)
    assert says in found[path].problem
    assert 0 < found[path].line <= len(text.splitlines())


def test_a_fault_stands_in_the_line_of_what_is_wrong() -> None:
    text = SMALL.replace("    tier: 2", "    tier: many").replace("location: square", "location: x")
    found = faults(text)
    assert found["npcs.0.tier"].line == line_of(text, "tier: many")
    assert found["scenarios.0.location"].line == line_of(text, "location: x")


def test_all_faults_are_told_at_once_in_the_order_of_their_lines() -> None:
    text = SMALL.replace("domain: tests", "domain: [1]").replace("reaches: greet", "reaches: no-1")
    text = text.replace("    tier: 2", "    tier: 2\n    mood: glad").replace("id: hello", "id: H")
    found = parse(text)[1]
    assert [f.path for f in found] == [
        "domain",
        "npcs.0.mood",
        "npcs.0.cues.0.reaches",
        "scenarios.0.id",
    ]
    assert [f.line for f in found] == sorted(f.line for f in found)


def test_names_that_stand_twice_are_faults() -> None:
    form = "  - {form: ser-estar, type: lexical, right: [x]}\nnpcs:\n"
    npc = (
        "  - {id: ana-small, name: A, role: r, tier: 1, personality: p, greeting: g, "
        "lines: {default: [d]}}\nlocations:\n"
    )
    text = SMALL.replace("npcs:\n  - id", form + "  - id").replace("locations:\n", npc)
    assert set(faults(text)) == {"forms.1.form", "npcs.1.id"}


def test_a_formal_npc_needs_register_markers() -> None:
    text = SMALL.replace("    tier: 2", "    tier: 3\n    register_level: formal")
    assert "register markers" in faults(text)["npcs.0.register_level"].problem
    assert not faults(text + "registers: {familiar: [tú]}\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no mapping"),
        ("- a\n- b", "no mapping"),
        ("a: [1", "no YAML"),
        ("a: !!python/object/apply:os.system ['true']", "tag"),
        ("a: !!python/name:os.system x", "tag"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: 1\n---\nb: 2", "more than one document"),
        ("? [a]\n: b", "a key must be a word"),
        ("a: " + "[" * 50, "nested too deep"),
        ("a: " + "[" * 500_000, "nest"),
        ("a: \x00", "no YAML"),
    ],
)
def test_what_is_no_plain_data_is_refused(text: str, says: str) -> None:
    persona, found = parse(text)
    assert persona is None
    assert any(says in fault.problem for fault in found), found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_to_a_file_is_one_it_fails_on(data: st.DataObject) -> None:
    lines = SMALL.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(
        st.sampled_from(
            ["", "  x", "npcs: 3", "  - 1", "forms: {a: b}", "    cues: 7", "a: [b, {c: 1}]"]
        )
        | st.text(max_size=20)
    )
    persona, found = parse("\n".join([*lines[:at], new, *lines[at + 1 :]]))
    assert persona is not None or found
    assert all(isinstance(fault, Fault) for fault in found)


@given(st.text(max_size=200))
def test_no_text_is_one_it_fails_on(text: str) -> None:
    persona, found = parse(text)
    assert persona is None
    assert found


def test_a_file_too_large_or_missing_or_no_text_is_a_fault(tmp_path: Path) -> None:
    big, binary = tmp_path / "big.yaml", tmp_path / "binary.yaml"
    big.write_text("# " + "x" * 1024 * 1024)
    binary.write_bytes(b"\xff\xfe\x00")
    assert "is over" in check(big)[0].problem
    assert "cannot be read" in check(binary)[0].problem
    assert "cannot be read" in check(tmp_path / "none.yaml")[0].problem


def test_the_error_tells_all_faults_and_survives_a_pickle(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(SMALL.replace("tier: 2", "tier: 9").replace("reaches: greet", "reaches: x"))
    with pytest.raises(PersonaError) as caught:
        load(file)
    again = pickle.loads(pickle.dumps(caught.value))
    assert len(again.faults) == 2
    assert "2 faults" in str(again)
    assert f"line {again.faults[0].line}" in str(again)


def test_text_is_composed(tmp_path: Path) -> None:
    file = tmp_path / "w.yaml"
    file.write_text(SMALL.replace("hola: hello", "cafe\u0301: coffee"), encoding="utf-8")
    assert "café" in load(file).vocabulary[0].items


# --- the library


def test_the_library_has_what_comes_with_the_program() -> None:
    library = Library()
    assert set(library.names()) >= {
        "barcelona-cafe",
        "bergen-harbour",
        "lisbon-tiles",
        "picture-tutor",
    }
    assert library.get("nobody") is None
    assert library.file("lisbon-tiles") == PACKAGED / "lisbon-tiles.yaml"


def test_a_further_folder_adds_to_it(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "notes.txt").write_text("no persona")
    library = Library([tmp_path], packaged=False)
    assert library.names() == ["small-world"]


def test_an_npc_belongs_to_one_persona_only(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL)
    (tmp_path / "b.yaml").write_text(SMALL.replace("id: small-world", "id: other-world"))
    with pytest.raises(PersonaError, match="'ana-small' is an NPC of 'small-world' too"):
        Library([tmp_path], packaged=False)


def test_two_personas_of_one_id_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL)
    (tmp_path / "b.yaml").write_text(SMALL.replace("ana-small", "ana-other"))
    with pytest.raises(PersonaError, match="small-world"):
        Library([tmp_path], packaged=False)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="no such folder"):
        Library([tmp_path / "none"], packaged=False)


# --- what comes with the program

LIBRARY = Library()
WORLDS = [world for name in LIBRARY.names() if (world := LIBRARY.get(name)) is not None]
GREAT = [world for world in WORLDS if world.id != "picture-tutor"]


@pytest.mark.parametrize("world", GREAT, ids=lambda world: world.id)
def test_a_world_is_rich_enough_to_live_in(world: Persona) -> None:
    assert len(world.npcs) >= 5
    assert {npc.tier for npc in world.npcs} == {1, 2, 3}
    assert len(world.vocabulary) >= 4
    assert len(world.forms) >= 10
    assert len(world.refractions) >= 6
    assert len(world.lexicon.native) >= 300
    assert len(world.lexicon.target) >= 300
    hard = [s for s in world.scenarios if (npc := world.npc(s.npc)) and npc.tier == 3]
    assert hard
    assert all(len(scenario.objectives) >= 2 for scenario in hard)
    assert all(rule.explanation and rule.method for rule in world.forms)
    assert all(rule.wrong or rule.wants for rule in world.forms)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.id)
def test_every_npc_has_lines_for_its_moments(world: Persona) -> None:
    for npc in world.npcs:
        needed = {"default", "question", "recast", "repeat", "help", "farewell", "remember"}
        if npc.openness_enabled:
            needed |= {"warning", "collapse", "cold"}
        assert needed <= {manner.value for manner in npc.lines}, npc.id


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.id)
def test_what_a_world_says_itself_breaks_none_of_its_rules(world: Persona) -> None:
    analyst = OfflineAnalyst()
    friend = Character(npc="anybody", tier=2, register_level=RegisterClass.INFORMAL)
    texts = [text for rule in world.forms for text in rule.examples]
    texts += [
        card_text
        for card in world.refractions
        for card_text in (card.basic.text, card.native.text, card.formal.text)
    ]
    for npc in world.npcs:
        if npc.tier > 1:
            texts += [npc.greeting, *(line for cue in npc.cues for line in cue.says)]
            texts += [line for lines in npc.lines.values() for line in lines if "{" not in line]
    for text in texts:
        found = analyst.analyse(Utterance(text, world, friend)).frictions
        assert [one for one in found if one.type is not FrictionType.REGISTER] == [], text


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.id)
def test_no_phrase_of_a_form_is_both_right_and_wrong(world: Persona) -> None:
    for rule in world.forms:
        assert not set(rule.right) & {*rule.wrong, *rule.wants}, rule.form


@pytest.mark.parametrize("world", GREAT, ids=lambda world: world.id)
def test_the_examples_of_a_form_use_it(world: Persona) -> None:
    seen = [rule for rule in world.forms if any(heard(rule.right, e) for e in rule.examples)]
    assert len(seen) >= len(world.forms) * 0.8, {r.form for r in world.forms} - {
        r.form for r in seen
    }
