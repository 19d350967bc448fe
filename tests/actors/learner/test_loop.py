"""The macro loop: five phases, from the friction of one session to what later ones bring up."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from holodeck.actors.learner.loop import (
    ACTIVE,
    ATTEMPTS,
    HISTORY,
    MAX_ACTIVE,
    MAX_DEFERRED,
    METHODS,
    admitted,
    classification,
    directive,
    estimated_sessions,
    injection,
    measured,
    needs,
    run,
)
from holodeck.actors.learner.story import FrictionPoint, Known, LoopResult, Pending, Story
from holodeck.messages.conversation import (
    CurriculumFormat,
    ForwardInjectionSpec,
    FrictionType,
    InjectionStatus,
    InstructionalPreferences,
    Phase,
    RetentionStyle,
    SpecStatus,
)
from holodeck.messages.learner import LanguageRule

RESULT: TypeAdapter[LoopResult] = TypeAdapter(LoopResult)
laws = settings(max_examples=150, deadline=None)
LEXICAL, GRAMMAR, REGISTER = (
    FrictionType.LEXICAL,
    FrictionType.MORPHOSYNTACTIC,
    FrictionType.REGISTER,
)
LOW, HIGH = 0.1, 0.6


def point(n: int, form: str = "", **told: Any) -> FrictionPoint:
    filled: dict[str, Any] = {"type": LEXICAL, "severity": LOW, "npc": "marta", "turn": n}
    return FrictionPoint(id=f"s-fp-{n}", session="s", form=form, **(filled | told))


def before(*forms: str, session: str = "earlier") -> tuple[FrictionPoint, ...]:
    return tuple(
        FrictionPoint(f"{session}-fp-{n}", session, LEXICAL, LOW, form=form)
        for n, form in enumerate(forms, 1)
    )


def story(*points: FrictionPoint, **told: Any) -> Story:
    filled: dict[str, Any] = {"turns": 5, "npcs": {"marta": 2}, "tiers": {2: 5}}
    filled |= {"persona": "cafe", "points": points, "frictions": len(points)}
    return Story("s", **(filled | told))


def pending(form: str, status: SpecStatus = SpecStatus.PENDING, attempts: int = 0) -> Pending:
    spec = ForwardInjectionSpec(
        target_form=form, friction_type=LEXICAL, injection_method="m", status=status
    )
    return Pending(spec, persona="cafe", attempts=attempts)


def evaluated(told: Story, known: Known | None = None, **options: Any) -> LoopResult:
    filled: dict[str, Any] = {
        "style": RetentionStyle.GAMIFIED,
        "preferences": InstructionalPreferences(),
        "persona": "cafe",
    }
    return run(told, known or Known(), **(filled | options))


def units(result: LoopResult) -> list[str]:
    return [unit.target_form for unit in result.curriculum.units] if result.curriculum else []


# --- classification ----------------------------------------


def test_three_of_one_kind_are_a_gap_in_the_structure_and_two_are_not() -> None:
    found = classification([point(1, "a"), point(2, "b"), point(3, "c", type=GRAMMAR)])
    three = classification([point(1, "a"), point(2, "b"), point(3, "c")])

    assert [one.treatment for one in found.clusters] == ["individual", "individual"]
    assert [one.treatment for one in three.clusters] == ["systematic"]
    assert three.delta.violated_rules == ("a", "b", "c")


def test_a_form_recurs_by_its_name_or_by_what_was_said_however_it_was_written() -> None:
    earlier = (
        FrictionPoint("e-1", "e", LEXICAL, LOW, form="ser-estar"),
        FrictionPoint("e-2", "e", LEXICAL, LOW, said="Cafe\u0301  solo"),
    )

    found = classification(
        [point(1, "ser-estar"), point(2, said="café solo"), point(3, said="other")], earlier
    )

    assert [one.points[0].id for one in found.recurring] == ["s-fp-1", "s-fp-2"]
    assert [one.points[0].id for one in found.novel] == ["s-fp-3"]


def test_only_the_newest_hundred_points_are_looked_at() -> None:
    old = before("a", *["b"] * HISTORY)

    found = classification([point(1, "a")], old)

    assert not found.recurring
    assert classification([point(1, "a")], old[:HISTORY]).recurring


def test_a_point_without_form_or_words_counts_for_its_kind_alone() -> None:
    found = classification([point(1), point(2), point(3)], (replace(point(1), session="e"),))

    assert found.clusters[0].structural
    assert found.recurring == found.novel == ()


def test_a_rule_is_confirmed_where_it_was_missed_before_and_is_only_right_now() -> None:
    found = classification(
        [point(1, "b")],
        before("a", "b"),
        used={"a": 1, "b": 2, "never-missed": 1, "long-ago": 1},
        missed_before=("long-ago",),
    )

    assert found.delta.confirmed_rules == ("a", "long-ago")
    assert found.delta.emerging_rules == ()


def test_no_list_of_the_delta_names_a_rule_twice() -> None:
    found = classification([point(n, "a") for n in range(1, 6)], before("b", "b", "b"))

    assert found.delta.violated_rules == ("a",)
    assert found.delta.emerging_rules == ("a",)


def test_the_sessions_own_points_are_no_history() -> None:
    told = story(point(1, "a"))

    result = evaluated(told, Known(history=told.points))

    assert result.interlanguage.emerging_rules == ("a",)
    assert result.curriculum is None


# --- curriculum ----------------------------------------


def test_needs_come_in_the_order_of_their_urgency() -> None:
    told = [
        point(1, "novel", severity=HIGH, type=REGISTER),
        point(2, "gap-1", type=GRAMMAR),
        point(3, "gap-2", type=GRAMMAR, severity=0.3),
        point(4, "gap-3", type=GRAMMAR),
        point(5, "soon"),
        point(6, "immediate"),
    ]

    found = needs(classification(told, before("soon", *["immediate"] * 3)))

    assert [need.form for need in found] == ["immediate", "soon", "gap-2", "novel"]
    assert [need.gap for need in found] == [False, False, True, False]
    assert [one.id for one in found[2].points] == ["s-fp-3", "s-fp-2", "s-fp-4"]


def test_mild_novel_friction_earns_no_unit() -> None:
    assert evaluated(story(point(1, "a"), point(2, "b"))).curriculum is None


def test_a_gap_whose_forms_all_have_their_units_gets_none_of_its_own() -> None:
    told = story(point(1, "a"), point(2, "b"), point(3, "c"))

    assert units(evaluated(told, Known(history=before("a", "b", "c")))) == ["a", "b", "c"]
    assert units(evaluated(told, Known(history=before("a", "b")))) == ["a", "b", "c"]


def test_a_unit_names_its_form_its_friction_and_where_it_happened() -> None:
    told = story(point(4, "al lado de", said="en lado", severity=HIGH))

    lesson = evaluated(told).curriculum

    assert lesson is not None
    assert (lesson.id, lesson.source_session_id) == ("s-lesson", "s")
    assert lesson.addressed_friction_point_ids == ("s-fp-4",)
    (unit,) = lesson.units
    assert (unit.id, unit.target_form) == ("s-unit-1", "al lado de")
    assert unit.context_reference == 'Turn 4 with marta: "en lado"'
    assert unit.content.examples_l2 == ("al lado de",)
    assert unit.content.contrastive_analysis == 'Not "en lado" but "al lado de".'
    assert unit.exercises[0].accepted_answers == ("al lado de",)


def test_the_format_is_the_learners() -> None:
    told = story(point(1, "a", severity=HIGH))

    lesson = evaluated(told, style=RetentionStyle.ORGANIC).curriculum

    assert lesson is not None
    assert lesson.format is CurriculumFormat.DEBRIEF


# --- injection ----------------------------------------


def need_of(told: Story) -> Any:
    (need,) = needs(classification(told.points))
    return need


def test_a_directive_is_for_the_npc_and_the_tier_the_friction_happened_with() -> None:
    told = story(point(1, "a", severity=HIGH, tier=2))

    made = directive(need_of(told), told)

    assert made is not None
    assert (made.target_npc_ids, made.target_tier) == (("marta",), 2)
    assert (made.injection_method, made.naturality_constraint) == METHODS[LEXICAL]
    assert made.max_session_attempts == ATTEMPTS


def test_register_is_for_the_authorities_the_learner_met() -> None:
    slip = point(1, "a", severity=HIGH, tier=2, type=REGISTER)
    among_equals = story(slip)
    told = story(slip, npcs={"marta": 2, "consul": 3})

    made, same = directive(need_of(told), told), directive(need_of(among_equals), among_equals)

    assert made is not None
    assert (made.target_npc_ids, made.target_tier) == (("consul",), 3)
    assert same is not None
    assert (same.target_npc_ids, same.target_tier) == (("marta",), 2)


def test_what_nobody_can_name_is_taught_and_not_injected() -> None:
    result = evaluated(story(point(1, said="blah", severity=HIGH)))

    assert units(result) == ["blah"]
    assert result.planned == ()


def test_a_method_changes_after_lessons_that_did_not_help() -> None:
    told = story(point(1, "a", severity=HIGH))
    rules = {n: LanguageRule(form="a", type=LEXICAL, lessons=n) for n in range(4)}

    methods = [directive(need_of(told), told, rules[n]) for n in range(4)]

    assert len({made.injection_method for made in methods if made}) == 4


def test_five_are_active_and_the_rest_is_deferred() -> None:
    specs = [pending(str(n)).spec for n in range(7)]

    statuses = [spec.status for spec in admitted(specs)]

    assert statuses == [SpecStatus.PENDING] * 5 + [SpecStatus.DEFERRED] * 2
    assert {spec.status for spec in admitted(specs, active=9)} == {SpecStatus.DEFERRED}
    assert estimated_sessions(admitted(specs)) == 3
    assert estimated_sessions([]) == 0


@pytest.mark.parametrize(
    ("live", "missed", "attempts", "becomes"),
    [
        (InjectionStatus.USED, False, 0, ("resolved", 1)),
        (InjectionStatus.USED, False, 2, ("resolved", 3)),
        (InjectionStatus.USED, True, 0, ("injected", 1)),
        (InjectionStatus.OPPORTUNITY, False, 0, ("injected", 1)),
        (InjectionStatus.OPPORTUNITY, False, 2, ("expired", 3)),
        (InjectionStatus.PENDING, False, 0, ("pending", 1)),
        (InjectionStatus.PENDING, True, 2, ("expired", 3)),
        (InjectionStatus.DEFERRED, False, 1, None),
        (None, False, 1, None),
    ],
)
def test_an_old_injection_goes_on_by_what_the_session_made_of_it(
    live: InjectionStatus | None, missed: bool, attempts: int, becomes: tuple[str, int] | None
) -> None:
    points = (point(1, "a"),) if missed else ()
    told = story(*points, injections={} if live is None else {"a": live})

    result = evaluated(told, Known(injections=(pending("a", attempts=attempts),)))

    assert result.settled == (() if becomes is None else (("a", *becomes),))


def test_a_form_used_rightly_without_being_due_is_resolved() -> None:
    told = story(forms={"a": 2, "b": 1})
    waits = pending("b", SpecStatus.DEFERRED)

    result = evaluated(told, Known(injections=(pending("a"), waits)))

    assert result.settled == (("a", "resolved", 0), ("b", "resolved", 0))


def test_a_session_of_another_world_and_one_without_a_turn_try_nothing() -> None:
    known = Known(injections=(pending("a"),))
    due = {"a": InjectionStatus.PENDING}

    assert evaluated(story(injections=due), known, persona="harbour").settled == ()
    assert evaluated(story(injections=due, turns=0), known).settled == ()


def test_a_deferred_one_that_was_opened_all_the_same_takes_no_place() -> None:
    active = tuple(pending(f"a{n}") for n in range(5))
    told = story(injections={"w": InjectionStatus.OPPORTUNITY})

    result = evaluated(told, Known(injections=(*active, pending("w", SpecStatus.DEFERRED))))

    assert result.settled == (("w", "deferred", 1),)


def test_a_need_whose_injection_is_active_adds_none() -> None:
    told = story(point(1, "a", severity=HIGH), injections={"a": InjectionStatus.OPPORTUNITY})

    result = evaluated(told, Known(injections=(pending("a"),)))

    assert result.planned == ()
    assert result.settled == (("a", "injected", 1),)


def test_a_need_whose_injection_has_expired_is_planned_anew() -> None:
    told = story(point(1, "a", severity=HIGH), injections={"a": InjectionStatus.PENDING})

    result = evaluated(told, Known(injections=(pending("a", attempts=2),)))

    assert result.settled == (("a", "expired", 3),)
    assert [spec.status for spec in result.planned] == [SpecStatus.PENDING]


def test_deferred_ones_are_taken_up_when_there_is_room_the_oldest_first() -> None:
    active = tuple(pending(f"a{n}") for n in range(5))
    waiting = tuple(pending(f"w{n}", SpecStatus.DEFERRED) for n in range(3))
    told = story(injections={"a0": InjectionStatus.USED, "a1": InjectionStatus.USED})

    result = evaluated(told, Known(injections=active + waiting))

    assert result.settled == (
        ("a0", "resolved", 1),
        ("a1", "resolved", 1),
        ("w0", "pending", 0),
        ("w1", "pending", 0),
    )


def test_what_is_immediate_goes_before_what_waits_and_that_before_the_rest() -> None:
    active = tuple(pending(f"a{n}") for n in range(3))
    waiting = (pending("w", SpecStatus.DEFERRED),)
    told = story(point(1, "soon"), point(2, "immediate"))
    history = before("soon", *["immediate"] * 3)

    result = evaluated(told, Known(injections=active + waiting, history=history))

    assert result.settled == (("w", "pending", 0),)
    assert [(spec.target_form, spec.status.value) for spec in result.planned] == [
        ("immediate", "pending"),
        ("soon", "deferred"),
    ]


def test_more_than_seven_are_not_kept_waiting() -> None:
    active = tuple(pending(f"a{n}") for n in range(5))
    waiting = tuple(pending(f"w{n}", SpecStatus.DEFERRED) for n in range(MAX_DEFERRED))
    told = story(point(1, "new", severity=HIGH))

    result = evaluated(told, Known(injections=active + waiting))

    assert result.settled == (("w0", "expired", 0),)
    assert [spec.status for spec in result.planned] == [SpecStatus.DEFERRED]


def test_friction_becomes_an_injection_that_is_executed_and_then_resolved() -> None:
    # given: a form is missed in the first session
    first = evaluated(story(point(1, "al lado de", severity=HIGH)))
    (spec,) = first.planned
    known = Known(number=2, injections=(Pending(spec, "cafe"),), rules=first.rules)

    # when: an opening is made in the second, and used in the third
    due = {"al lado de": InjectionStatus.OPPORTUNITY}
    second = evaluated(story(injections=due), known)
    ((form, status, attempts),) = second.settled
    spec = spec.model_copy(update={"status": SpecStatus(status)})
    known = replace(known, number=3, injections=(Pending(spec, "cafe", attempts),))
    due = {"al lado de": InjectionStatus.USED}
    third = evaluated(story(injections=due, forms={form: 1}), known)

    # then
    assert (status, attempts) == ("injected", 1)
    assert third.settled == (("al lado de", "resolved", 2),)
    assert third.interlanguage.confirmed_rules == ("al lado de",)
    assert third.rules["al lado de"].trend == (0.0, 1.0)


# --- all of it ----------------------------------------


def test_an_empty_session_completes_with_nothing() -> None:
    known = Known()

    result = evaluated(Story("s", persona="cafe"), known)

    assert [done.phase for done in result.phases] == list(Phase)
    assert [done.items for done in result.phases] == [0] * 5
    assert result.curriculum is None
    assert (result.planned, result.settled) == ((), ())
    assert result.rules == {}
    assert (result.coordinates, result.baseline) == (known.coordinates, known.baseline)
    assert result.recommended_tier == known.tier


def test_metrics_are_none_where_there_is_nothing_to_divide_by() -> None:
    found = measured(Story("s"))

    assert found.outside() == {"totalSpeakingTimeSeconds": 0.0, "reputationDelta": {}}


def test_metrics_are_told_by_the_story() -> None:
    told = Story(
        "s", active_ms=120_000, frictions=3, recovered=2, l1_tier1=10, words_tier1=40,
        spoken_ms=30_000, spoken_words=50, judged3=4, fitting3=0, scores=1.5, scored=2,
        npcs={"anna": 1, "marta": 2, "consul": 3}, outcomes={"marta": "completed-successfully"},
        reputation={"marta": 0.1},
    )  # fmt: skip

    found = measured(told)

    assert found.outside() == {
        "taskCompletionRate": 0.5,
        "frictionRate": 1.5,
        "codeSwitchRatio": 0.25,
        "registerAccuracyScore": 0.0,
        "averageComprehensibility": 0.75,
        "wordsPerMinute": 100.0,
        "totalSpeakingTimeSeconds": 30.0,
        "recoveryRate": 0.666667,
        "reputationDelta": {"marta": 0.1},
    }


preferences_ = st.builds(
    InstructionalPreferences,
    preferred_format=st.sampled_from(CurriculumFormat),
    explanation_depth=st.sampled_from(("detailed", "standard", "concise")),
    engages_audio=st.booleans(),
    engages_video=st.booleans(),
    average_completion_rate=st.floats(0, 1),
)
short = st.text("abcé ", max_size=3)
points = st.lists(
    st.builds(
        FrictionPoint,
        id=st.integers(1, 60).map("s-fp-{}".format),
        session=st.just("s"),
        type=st.sampled_from(FrictionType),
        severity=st.floats(0, 1),
        form=short,
        said=short,
        turn=st.integers(1, 99),
        npc=st.sampled_from(("", "anna", "marta", "consul")),
        tier=st.integers(1, 3),
        recovered=st.booleans(),
    ),
    max_size=48,
).map(tuple)
forms = st.text("abcé ", min_size=1, max_size=3)
stories = st.builds(
    Story,
    session=st.just("s"),
    persona=st.just("cafe"),
    turns=st.integers(0, 50),
    active_ms=st.integers(0, 10_000_000),
    analysed=st.integers(0, 50),
    l1_words=st.integers(0, 500),
    l2_words=st.integers(0, 500),
    unique_words=st.integers(0, 500),
    frictions=st.integers(0, 99),
    recovered=st.integers(0, 99),
    spoken_ms=st.integers(0, 10_000),
    spoken_words=st.integers(0, 500),
    points=points,
    forms=st.dictionaries(forms, st.integers(0, 9), max_size=48),
    tiers=st.dictionaries(st.integers(1, 3), st.integers(0, 50)),
    npcs=st.dictionaries(st.sampled_from(("anna", "marta", "consul")), st.integers(1, 3)),
    injections=st.dictionaries(forms, st.sampled_from(InjectionStatus), max_size=8),
)
rules = st.dictionaries(
    forms,
    st.builds(
        LanguageRule,
        form=forms,
        type=st.sampled_from(FrictionType),
        confidence=st.floats(0.01, 0.99),
        trend=st.lists(st.floats(0, 1), max_size=8).map(tuple),
        lessons=st.integers(0, 5),
        fossilised=st.booleans(),
    ),
    max_size=8,
)


@st.composite
def knowing(draw: st.DrawFn) -> Known:
    """At most five active injections and seven deferred, as the loop itself leaves them."""
    names = draw(st.lists(forms, unique=True, max_size=12))
    injections = tuple(
        replace(
            pending(
                name,
                draw(st.sampled_from(sorted(ACTIVE))) if n < MAX_ACTIVE else SpecStatus.DEFERRED,
                draw(st.integers(0, 2)),
            ),
            persona=draw(st.sampled_from(("cafe", "harbour"))),
        )
        for n, name in enumerate(names)
    )
    return Known(
        number=draw(st.integers(1, 60)),
        history=tuple(replace(one, session="earlier") for one in draw(points)),
        rules=draw(rules),
        injections=injections,
        tier=draw(st.sampled_from((1, 2, 3))),
    )


def kept(known: Known, result: LoopResult) -> dict[str, SpecStatus]:
    """The injections a learner has after it: one after the other is settled, then planned; at no
    step are there more active ones than may be."""
    stands = {old.spec.target_form: old.spec.status for old in known.injections}
    steps = [(form, SpecStatus(status)) for form, status, _ in result.settled]
    for form, status in [*steps, *((one.target_form, one.status) for one in result.planned)]:
        stands[form] = status
        assert sum(one in ACTIVE for one in stands.values()) <= MAX_ACTIVE
    over = (SpecStatus.RESOLVED, SpecStatus.EXPIRED)
    return {form: status for form, status in stands.items() if status not in over}


@laws
@given(stories, knowing(), st.sampled_from(RetentionStyle), preferences_)
def test_the_loop_keeps_its_caps_and_gives_the_same_again(
    told: Story, known: Known, style: RetentionStyle, preferences: InstructionalPreferences
) -> None:
    told_before, known_before = told.copy(), replace(known, rules=dict(known.rules))

    first = run(told, known, style=style, preferences=preferences, persona="cafe")
    again = run(told.copy(), known, style=style, preferences=preferences, persona="cafe")

    # it is a function, and takes nothing from its arguments
    assert first == again
    assert (told, known) == (told_before, known_before)
    # caps
    names = units(first)
    assert len(names) <= 5
    statuses = list(kept(known, first).values())
    assert sum(status in ACTIVE for status in statuses) <= MAX_ACTIVE
    assert statuses.count(SpecStatus.DEFERRED) <= MAX_DEFERRED
    if SpecStatus.DEFERRED in statuses:
        assert sum(status in ACTIVE for status in statuses) == MAX_ACTIVE
    assert len(first.planned) == len({spec.target_form for spec in first.planned})
    assert len(first.settled) == len({form for form, _, _ in first.settled})
    for rule_list in (
        first.interlanguage.confirmed_rules,
        first.interlanguage.violated_rules,
        first.interlanguage.emerging_rules,
        first.interlanguage.fossilizing_rules,
    ):
        assert len(rule_list) == len(set(rule_list))
    # every number is one
    for value in first.metrics.model_dump(exclude={"reputation_delta"}).values():
        assert value is None or math.isfinite(value)
    # and it can be stored
    stored = RESULT.dump_python(first)
    assert RESULT.validate_python(stored) == first


@laws
@given(stories, knowing())
def test_every_exercise_unit_and_directive_is_within_its_contract(
    told: Story, known: Known
) -> None:
    result = evaluated(told, known)

    if result.curriculum is not None:
        text = result.curriculum.model_dump_json()
        assert type(result.curriculum).model_validate_json(text) == result.curriculum
        assert all(unit.exercises for unit in result.curriculum.units)
    for spec in result.planned:
        assert type(spec).model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("letter", ["a", "é", "図", "😀"])
@pytest.mark.parametrize("length", [20, 60, 200])
def test_the_most_that_can_come_out_fits_into_a_checkpoint(letter: str, length: int) -> None:
    session, npc = "s" * 64, "n" * 60

    def form(n: int) -> str:
        return f"{n:02d}{letter * length}"[:length]

    told = Story(
        session,
        persona="cafe",
        turns=48,
        analysed=48,
        active_ms=1,
        frictions=48,
        points=tuple(
            FrictionPoint(
                f"{session}-fp-{n}",
                session,
                tuple(FrictionType)[n % 6],
                0.9,
                form=form(n),
                said=letter * 79 + "x",
                turn=n,
                npc=f"{npc}{n % 9}",
                tier=3,
            )
            for n in range(48)
        ),
        forms={form(48 + n): 3 for n in range(48)},
        npcs={f"{npc}{n}": 3 for n in range(32)},
        injections={form(60 + n): InjectionStatus.PENDING for n in range(5)},
        reputation={f"{npc}{n}": 0.123456 for n in range(32)},
    )
    known = Known(
        number=9,
        history=tuple(replace(one, session="earlier") for one in told.points * 2),
        rules={
            form(n): LanguageRule(
                form=form(n), type=LEXICAL, trend=(0.333333,) * 8, lessons=4, fossilised=True
            )
            for n in range(96)
        },
        injections=tuple(
            pending(form(60 + n), SpecStatus.PENDING if n < 5 else SpecStatus.DEFERRED, 2)
            for n in range(5 + MAX_DEFERRED)
        ),
    )

    result = evaluated(
        told, known, preferences=InstructionalPreferences(explanation_depth="detailed")
    )

    assert len(units(result)) == 5
    assert len(result.planned) == 5
    assert len(msgpack.packb(RESULT.dump_python(result, mode="json"))) < 48 * 1024


def test_nothing_moves_where_nothing_was_tried_and_no_room_is_left() -> None:
    active = tuple(pending(f"a{n}") for n in range(5))
    known = Known(injections=(*active, pending("w", SpecStatus.DEFERRED)))

    done = injection((), story(), known, "cafe")

    assert (done.planned, done.settled) == ((), ())
