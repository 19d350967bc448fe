"""What is carried into a conversation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holodeck.actors.decider import Moment
from holodeck.actors.npc import relation
from holodeck.actors.session import session
from holodeck.actors.session.talk.context import LIMIT, assemble, cast_of, cue
from holodeck.messages.codec import pack, unpack
from holodeck.messages.conversation import (
    Cefr,
    CodeSwitchState,
    ContextInjection,
    ContextLearner,
    ContextPersona,
    Coordinates,
    CurriculumFormat,
    ForwardInjectionSpec,
    FrictionType,
    KnownFact,
    Mood,
    NPCBriefing,
    OpenMatter,
    PreSessionContext,
    RegisterClass,
    RetentionStyle,
    Tier,
    Trajectory,
    VocabularyDomain,
    VocabularyPriority,
)
from holodeck.messages.errors import RefusedError
from holodeck.messages.persona import (
    Cast,
    FormRule,
    Location,
    Manner,
    Objective,
    Persona,
    Scenario,
    WordDomain,
)
from holodeck.messages.session import CastMember, FrictionFinding, StartSession, TakeTurn
from holodeck.messages.talk import (
    AnalysisKind,
    Baseline,
    Character,
    Culture,
    DueInjection,
    LearnerBrief,
    NpcBrief,
    Stage,
    Traits,
)


def person(identity: str, tier: Tier = 1, **more: Any) -> Cast:
    return Cast(
        id=identity,
        name=identity.title(),
        role="neighbour",
        tier=tier,
        personality="dry and kind",
        greeting="Olá.",
        lines={Manner.DEFAULT: ("Sim.",)},
        **more,
    )


def scenario(identity: str, npc: str, *objectives: str) -> Scenario:
    return Scenario(
        id=identity,
        title=identity,
        npc=npc,
        stakes="a good deal",
        objectives=tuple(Objective(id=one, title=f"To {one}.") for one in objectives),
    )


def world(**more: Any) -> Persona:
    made: dict[str, Any] = {
        "id": "harbour",
        "name": "The harbour",
        "native_language": "en",
        "target_language": "pt",
        "domain": "boats",
        "objective": "to rent a berth",
        "preferred_minutes": 30,
        "vocabulary": (
            WordDomain(name="boats", priority=VocabularyPriority.CRITICAL, items={"barco": "boat"}),
            WordDomain(name="small-talk", items={"olá": "hello"}),
        ),
        "forms": (
            FormRule(
                form="se faz favor",
                type=FrictionType.PRAGMATIC,
                method="Wait to be asked politely.",
            ),
        ),
        "npcs": (
            person("rita"),
            person("nuno", 2, initial_reputation=0.2, initial_mood="busy"),
            person("dona-ines", 3, openness_enabled=True, register_level="formal"),
        ),
        "locations": (Location(id="quay", name="The quay"), Location(id="office", name="Office")),
        "scenarios": (
            scenario("berth", "dona-ines", "price", "contract"),
            scenario("rope", "nuno", "buy-rope"),
        ),
    }
    return Persona(**(made | more))


WORLD = world()
EVERYBODY = cast_of(WORLD, ())


def learner(**more: Any) -> LearnerBrief:
    made: dict[str, Any] = {"learner": ContextLearner(id="ana", cefr=Cefr.B1)}
    return LearnerBrief(**(made | more))


def spec(form: str = "se faz favor", **more: Any) -> ForwardInjectionSpec:
    made: dict[str, Any] = {
        "target_form": form,
        "friction_type": "pragmatic",
        "injection_method": "Ask.",
    }
    return ForwardInjectionSpec(**(made | more))


def put_together(
    told: LearnerBrief | None = None,
    briefs: dict[str, NpcBrief] | None = None,
    cast: tuple[CastMember, ...] = EVERYBODY,
    persona: Persona = WORLD,
) -> tuple[PreSessionContext, Stage]:
    return assemble(persona, told or learner(), briefs or {}, cast, AnalysisKind.OFFLINE, True)


def only(*npcs: str) -> tuple[CastMember, ...]:
    return tuple(CastMember(npc=one) for one in npcs)


# --- who takes part ----------------------------------------


def test_nobody_wanted_is_everybody_in_the_world() -> None:
    assert only("rita", "nuno", "dona-ines") == EVERYBODY


def test_a_cast_stays_as_it_is_wanted() -> None:
    wanted = (CastMember(npc="nuno", capabilities=("ropes",)), CastMember(npc="rita"))
    assert cast_of(WORLD, wanted) == wanted


def test_an_npc_of_another_world_is_refused() -> None:
    with pytest.raises(RefusedError, match="marta is not in harbour") as refused:
        cast_of(WORLD, only("rita", "marta"))
    assert refused.value.reason == "unknown-npc"


def test_memories_are_recalled_by_what_the_session_will_be_about() -> None:
    told = cue(WORLD, [spec("se faz favor")])
    for part in ("se faz favor", "boats", "to rent a berth", "a good deal", "small talk"):
        assert part in told
    many = world(scenarios=tuple(scenario(f"s{n}", "rita", "a" * 60) for n in range(32)))
    assert len(cue(many, [spec("x" * 200, injection_method="y" * 500)] * 5)) == 2000


# --- field for field ----------------------------------------


def test_of_two_who_never_met_the_context_says_what_the_persona_says() -> None:
    context, stage = put_together(cast=only("nuno"))
    assert context == PreSessionContext(
        learner=ContextLearner(id="ana", cefr=Cefr.B1),
        persona=ContextPersona(
            id="harbour",
            domain="boats",
            target_language="pt",
            native_language="en",
            vocabulary_domains=(
                VocabularyDomain(name="boats", priority=VocabularyPriority.CRITICAL),
                VocabularyDomain(name="small-talk"),
            ),
        ),
        npc_briefings={
            "nuno": NPCBriefing(
                npc_id="nuno",
                role="neighbour",
                tier=2,
                personality="dry and kind",
                reputation_score=0.2,
            )
        },
        objectives=("To buy-rope.",),
    )
    assert stage == Stage(
        native="en",
        target="pt",
        cefr=Cefr.B1,
        characters=(
            Character(
                npc="nuno",
                name="Nuno",
                tier=2,
                reputation=0.2,
                mood=Mood.BUSY,
                objectives=("buy-rope",),
            ),
        ),
        limit_ms=45 * 60_000,
        inactivity_ms=300_000,
        ladder=True,
        locations=("quay", "office"),
        analysis=AnalysisKind.OFFLINE,
    )


def test_what_an_npc_remembers_is_carried_in() -> None:
    brief = NpcBrief(
        briefing=NPCBriefing(
            npc_id="nuno",
            role="porter",
            tier=1,
            reputation_score=-0.1,
            remembered_facts=(KnownFact(fact="has a boat", confidence=0.8),),
            unresolved_events=(OpenMatter(description="too loud", impact=-0.2),),
            recent_vector_memories=("We spoke of ropes.",),
            openness_score=0.4,
        ),
        mood=Mood.IRRITATED,
        met=True,
        recalled=(17,),
    )
    context, stage = put_together(briefs={"nuno": brief}, cast=only("nuno"))
    told = context.npc_briefings["nuno"]
    assert told == brief.briefing.model_copy(
        update={"role": "neighbour", "tier": 2, "personality": "dry and kind"}
    )
    (character,) = stage.characters
    assert (character.reputation, character.mood) == (-0.1, Mood.IRRITATED)
    assert character.memories == (17,)


def test_a_standing_that_has_not_begun_begins_where_the_persona_says() -> None:
    opened = NpcBrief(briefing=NPCBriefing(npc_id="nuno"), interactions=1)
    context, stage = put_together(briefs={"nuno": opened}, cast=only("nuno"))
    assert context.npc_briefings["nuno"].reputation_score == 0.2
    assert (stage.characters[0].reputation, stage.characters[0].mood) == (0.2, Mood.BUSY)


def test_a_character_is_as_its_author_made_it() -> None:
    made = person(
        "bento", 3, traits=Traits(openness=0.9), patience=0.1, openness_enabled=True,
        register_level=RegisterClass.FORMAL,
    )  # fmt: skip
    (character,) = put_together(persona=world(npcs=(made,), scenarios=()), cast=only("bento"))[
        1
    ].characters
    assert character.traits == made.traits
    assert (character.patience, character.openness_enabled) == (0.1, True)
    assert (character.tier, character.register_level) == (3, RegisterClass.FORMAL)


def test_objectives_are_those_of_the_cast_that_are_not_reached() -> None:
    context, stage = put_together(learner(reached=("price",)))
    assert context.objectives == ("To buy-rope.", "To contract.")
    assert {one.npc: one.objectives for one in stage.characters} == {
        "rita": (),
        "nuno": ("buy-rope",),
        "dona-ines": ("contract",),
    }
    assert put_together(cast=only("rita"))[0].objectives == ()


def test_the_three_most_frequent_frictions_are_told() -> None:
    areas = ("a", "b", "c", "d")
    context, _ = put_together(learner(learner=ContextLearner(id="ana", top_friction_areas=areas)))
    assert context.learner.top_friction_areas == ("a", "b", "c")


def test_the_recommended_tier_is_as_the_learner_told() -> None:
    assert put_together(learner(recommended_tier=3))[0].recommended_tier == 3


def test_how_long_it_may_take_is_the_learners_to_say() -> None:
    assert put_together(learner(preferred_minutes=10))[1].limit_ms == 15 * 60_000
    assert put_together(learner())[1].limit_ms == 45 * 60_000


def test_baseline_and_negotiations_so_far_come_from_the_learner() -> None:
    baseline = Baseline(latency_ms=900)
    _, stage = put_together(learner(baseline=baseline, tier3_sessions=2))
    assert (stage.baseline, stage.tier3_sessions) == (baseline, 2)


@pytest.mark.parametrize(
    ("cast", "told", "landing", "pressure"),
    [
        (("rita",), 0.5, False, 0.5),
        (("rita",), 0.9, False, 0.7),
        (("nuno",), 0.1, False, 0.3),
        (("dona-ines", "nuno"), 0.9, False, 0.85),
        (("rita",), 0.5, True, 0.325),
        (("dona-ines",), 0.5, True, 0.5),
        (("dona-ines",), 0.9, True, 0.55),
        (("dona-ines",), 0.1, True, 0.4),
    ],
)
def test_pressure_stays_in_the_band_of_the_gentlest_tier_and_lands_in_its_lower_quartile(
    cast: tuple[str, ...], told: float, landing: bool, pressure: float
) -> None:
    _, stage = put_together(learner(pressure=told, landing=landing), cast=only(*cast))
    assert (stage.pressure, stage.landing) == (pressure, landing)


# --- injections ----------------------------------------


def test_an_injection_is_due_for_the_npcs_it_is_meant_for() -> None:
    due = spec(target_npc_ids=("nuno", "dona-ines"), naturality_constraint="Only in passing.")
    context, stage = put_together(learner(injections=(due,), attempts=(2,)), cast=only("nuno"))
    assert context.injections == (
        ContextInjection(
            target_form="se faz favor",
            method="Ask.",
            target_npc_ids=("nuno",),
            naturality_constraint="Only in passing.",
        ),
    )
    assert stage.injections == (
        DueInjection(
            form="se faz favor",
            type=FrictionType.PRAGMATIC,
            method="Ask.",
            naturality="Only in passing.",
            npcs=("nuno",),
            attempts=2,
        ),
    )
    (directive,) = context.npc_briefings["nuno"].injection_directives
    assert directive == "Make “se faz favor” needed: Ask. (Only in passing.)"


@pytest.mark.parametrize(
    ("targets", "tier", "cast", "npcs"),
    [
        (("rita",), 1, ("nuno", "dona-ines"), None),
        ((), 2, ("rita", "nuno"), ("nuno",)),
        ((), 3, ("nuno", "rita"), ("nuno",)),
        (("companion",), 1, ("nuno", "rita"), ("rita",)),
        (("companion", "nuno"), 1, ("nuno", "rita"), ("nuno",)),
    ],
    ids=[
        "elsewhere-in-this-world",
        "nobody-named",
        "nobody-of-its-tier",
        "nobody-of-this-world-named",
        "one-of-this-world-named",
    ],
)
def test_who_makes_the_opening(
    targets: tuple[str, ...], tier: Tier, cast: tuple[str, ...], npcs: tuple[str, ...] | None
) -> None:
    due = spec(target_npc_ids=targets, target_tier=tier)
    context, stage = put_together(learner(injections=(due,)), cast=only(*cast))
    assert [one.npcs for one in stage.injections] == ([] if npcs is None else [npcs])
    directed = {npc for npc, told in context.npc_briefings.items() if told.injection_directives}
    assert directed == set(npcs or ())


def test_at_most_three_are_tried_and_those_for_others_do_not_count() -> None:
    specs = tuple(
        spec(f"form {n}", target_npc_ids=("rita",) if n == 1 else ("nuno",)) for n in range(5)
    )
    attempts = (0, 1, 2, 3)
    context, stage = put_together(learner(injections=specs, attempts=attempts), cast=only("nuno"))
    assert [one.target_form for one in context.injections] == ["form 0", "form 2", "form 3"]
    assert [one.attempts for one in stage.injections] == [0, 2, 3]
    fourth = put_together(learner(injections=specs[2:], attempts=()), cast=only("nuno"))
    assert [one.attempts for one in fourth[1].injections] == [0, 0, 0]


def test_how_a_form_is_brought_about_is_the_personas_to_say_where_nobody_else_did() -> None:
    context, _ = put_together(learner(injections=(spec(injection_method=""),)))
    assert context.injections[0].method == "Wait to be asked politely."


# --- a session that begins with it ----------------------------------------

FINDINGS = st.lists(
    st.builds(FrictionFinding, type=st.sampled_from(FrictionType), severity=st.floats(0, 1)),
    max_size=3,
).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["rita", "nuno"]),
    st.lists(st.tuples(FINDINGS, st.sampled_from([None, True, False])), max_size=20),
)
def test_session_and_npc_agree_on_a_standing_after_every_turn(
    npc: str,
    turns: list[tuple[tuple[FrictionFinding, ...], bool | None]],
) -> None:
    context, stage = put_together(cast=only(npc))
    start = StartSession(
        learner="ana", claim=1, persona="harbour", cast=only(npc), context=context, stage=stage
    )
    state, met = session.initial, relation.initial
    for number, (found, aligned) in enumerate(turns):
        command: Any = start
        if number:
            command = TakeTurn(
                turn=number, npc=npc, text="olá", frictions=found, register_aligned=aligned
            )
        moment = Moment(number + 1, 10**12 + 1000 * number, "sess_1", "ana")
        events = session.decide(state, command, moment.at)
        state = session.fold(state, events, moment)
        if not number:
            continue
        met = relation.fold(met, events, moment)
        assert state.talk is not None
        assert state.talk.standings[npc].reputation == met.reputation
        if npc == "rita":  # who begins in no mood of the persona's
            assert state.talk.standings[npc].mood == met.mood(moment.at)


# --- it always fits ----------------------------------------


def size(part: PreSessionContext | Stage) -> int:
    return len(pack(part.model_dump(exclude_defaults=True)))


def crowd(letter: str) -> tuple[Persona, LearnerBrief, dict[str, NpcBrief]]:
    """As much of everything as the contracts let through, in texts of one letter."""
    ids = [f"{n:02}{'n' * 62}" for n in range(32)]
    name, sentence = letter * 200, letter * 500
    full: dict[str, Any] = {
        "name": name,
        "role": name,
        "personality": sentence,
        "traits": Traits(**dict.fromkeys(Traits.model_fields, 0.123456)),
        "culture": Culture(**dict.fromkeys(Culture.model_fields, 0.123456)),
    }
    npcs = tuple(
        person(
            one,
            3,
            openness_enabled=True,
            patience=0.123456,
            register_level=RegisterClass.TECHNICAL,
        ).model_copy(update=full)
        for one in ids
    )
    persona = world(
        id="p" * 64,
        domain=name,
        native_language="abc-AAAAAAAA-AAAAAAA",
        target_language="xyz-AAAAAAAA-AAAAAAA",
        vocabulary=tuple(
            WordDomain(
                name=f"{n:02}" + "v" * 62,
                priority=VocabularyPriority.SUPPLEMENTARY,
                items={"a": "b"},
            )
            for n in range(32)
        ),
        npcs=npcs,
        locations=tuple(Location(id=f"{n:02}" + "l" * 62, name=name) for n in range(64)),
        scenarios=tuple(
            Scenario(
                id=f"s{n}",
                title=name,
                npc=npc,
                objectives=tuple(
                    Objective(id=f"{n:02}{o}" + "o" * 61, title=f"{n}{o}{letter * 490}")
                    for o in range(8)
                ),
            )
            for n, npc in enumerate(ids)
        ),
    )
    told = learner(
        learner=ContextLearner(
            id="l" * 64,
            top_friction_areas=(name,) * 9,
            phoneme_priorities=(name,) * 32,
            cefr=Cefr.C2,
            matrix_coordinates=Coordinates(x=0.123456, y=0.123456, z=0.123456),
            code_switch_state=CodeSwitchState(
                current_l2_ratio=0.123456, trajectory=Trajectory.REGRESSING
            ),
            session_count=2**53,
            days_since_last_session=0.123456,
            retention_profile=RetentionStyle.ACCOUNTABILITY,
            preferred_curriculum_format=CurriculumFormat.DEBRIEF,
        ),
        baseline=Baseline(**dict.fromkeys(Baseline.model_fields, 0.123456)),
        recommended_tier=3,
        landing=True,
        preferred_minutes=1439.5,
        injections=tuple(
            spec(
                f"{n}{letter * 199}",
                injection_method=sentence,
                naturality_constraint=sentence,
                target_npc_ids=tuple(ids),
            )
            for n in range(5)
        ),
        attempts=(2**53,) * 5,
        tier3_sessions=2**53,
    )
    briefs = {
        one: NpcBrief(
            briefing=NPCBriefing(
                npc_id=one,
                reputation_score=0.123456,
                remembered_facts=(KnownFact(fact=sentence, confidence=0.123456),) * 8,
                unresolved_events=(OpenMatter(description=sentence, impact=-0.123456),) * 8,
                recent_vector_memories=(sentence,) * 20,
                openness_score=0.123456,
            ),
            mood=Mood.IMPATIENT,
            met=True,
            recalled=tuple(range(2**52, 2**52 + 20)),
        )
        for one in ids
    }
    return persona, told, briefs


@pytest.mark.parametrize("letter", ["x", "é", "語", "𐍈"])
def test_the_fullest_world_fits(letter: str) -> None:
    persona, told, briefs = crowd(letter)
    context, stage = put_together(told, briefs, cast_of(persona, ()), persona)
    assert size(context) + size(stage) < LIMIT
    assert len(stage.characters) == len(context.npc_briefings) == 32
    assert all(character.objectives for character in stage.characters)
    assert len(stage.locations) == 64
    assert [one.form for one in stage.injections] == [f"{n}{letter * 199}" for n in range(3)]


def test_a_usual_world_is_carried_in_uncut() -> None:
    persona, told, briefs = crowd("x")
    cast = cast_of(persona, ())[:1]
    context, stage = put_together(told, briefs, cast, persona)
    assert size(context) + size(stage) < LIMIT
    (briefing,) = context.npc_briefings.values()
    assert [len(one) for one in briefing.recent_vector_memories] == [500] * 20
    assert len(briefing.remembered_facts) == len(briefing.unresolved_events) == 8
    assert len(stage.characters[0].objectives) == 8


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["x", "語", "𐍈"]),
    st.integers(1, 32),
    st.integers(0, 32),
    st.integers(0, 5),
    st.integers(0, 32),
)
def test_whatever_is_told_fits_and_can_be_read_again(
    letter: str, people: int, met: int, due: int, phonemes: int
) -> None:
    persona, told, briefs = crowd(letter)
    cast = cast_of(persona, ())[:people]
    told = told.model_copy(
        update={
            "injections": told.injections[:due],
            "learner": told.learner.model_copy(
                update={"phoneme_priorities": told.learner.phoneme_priorities[:phonemes]}
            ),
        }
    )
    some = dict(list(briefs.items())[:met])
    context, stage = put_together(told, some, cast, persona)
    assert size(context) + size(stage) < LIMIT
    for part in (context, stage):
        raw = unpack(pack(part.model_dump(exclude_defaults=True)))
        assert type(part).model_validate(raw) == part
    assert put_together(told, some, cast, persona) == (context, stage)
