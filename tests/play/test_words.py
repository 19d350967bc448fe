"""What the windows of practice say."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console, RenderableType

from holodeck.entrypoints.play import words
from holodeck.entrypoints.play.board import Board, Stage, Standing
from holodeck.entrypoints.play.desk import Lobby, Mark, Mastery, Past
from holodeck.messages.practice import (
    AnswerFormat,
    AnswerGiven,
    Card,
    Category,
    RewardEarned,
    SkillMoved,
    SkillRecord,
    SkillRow,
    SkillState,
    SkillTier,
    Trigger,
)
from tests.play.desks import CURRICULUM, DAY_MS, NOON, SHARE, SUM, SUMMED, mastery, moved


def drawn(what: RenderableType, width: int = 76) -> str:
    """The text of something, without any colour."""
    out = StringIO()
    Console(file=out, width=width, color_system=None).print(what)
    return out.getvalue()


ASKING = Board(
    CURRICULUM.course(),
    stage=Stage.ASKING,
    duration_ms=900_000,
    number=7,
    question=SUM,
    correct=5,
    standings={"sum-1000": Standing(SkillState.LEARNING, SkillTier.LEARN, 6, 4)},
    clock=NOON,
)


def judged(entered: str, *, right: bool, other_form: bool = False) -> Board:
    verdict = AnswerGiven(
        number=7,
        skill="sum-1000",
        tier=SkillTier.LEARN,
        category=Category.FRONTIER,
        question_text=SUM.text,
        correct_answer="852",
        learner_answer=entered,
        correct=right,
        time_ms=1,
        answer_format=AnswerFormat.NUMERIC,
        other_form=other_form,
    )
    return replace(ASKING, stage=Stage.TOLD, verdict=verdict)


@pytest.mark.parametrize(
    ("left", "shown"),
    [(900_000, "15:00"), (754_999, "12:34"), (59_999, "0:59"), (999, "0:00"), (-9_000, "0:00")],
)
def test_a_time_is_minutes_and_seconds_and_never_negative(left: int, shown: str) -> None:
    assert words.ms(left) == shown


@pytest.mark.parametrize(
    ("right", "of", "then"), [(11, 14, 79), (0, 0, 0), (1, 8, 13), (3, 3, 100)]
)
def test_accuracy_is_rounded_and_nothing_of_nothing_is_zero(right: int, of: int, then: int) -> None:
    assert words.percent(right, of) == then


@pytest.mark.parametrize(
    ("done", "of", "full"), [(0, 6, 0), (3, 6, 10), (6, 6, 20), (8, 6, 20), (59, 60, 19)]
)
def test_a_bar_is_full_only_when_all_is_done(done: int, of: int, full: int) -> None:
    assert words.bar(done, of) == "█" * full + "░" * (20 - full)


def test_the_first_lines_of_a_question_tell_skill_number_right_ones_and_tier() -> None:
    assert "Sums of 3-digit numbers  (new ground)" in drawn(words.skill_line(ASKING))
    assert "Q 7/~15   ✓ 5" in drawn(words.skill_line(ASKING))
    assert "4/6 right  ·  2 questions to go" in drawn(words.tier_line(ASKING))
    assert drawn(words.tier_line(ASKING)).startswith("Learn  █████████████░░░░░░░")


@pytest.mark.parametrize(
    ("standing", "label"),
    [
        (Standing(), "Learn"),
        (Standing(SkillState.LEARNING, SkillTier.PROVE, 2, 2), "Prove"),
        (Standing(SkillState.RUSTY, SkillTier.LEARN, 1, 1), "Refresh"),
        (Standing(SkillState.MASTERED, SkillTier.PROVE, 6, 6), "Mastered"),
    ],
)
def test_every_tier_has_its_label(standing: Standing, label: str) -> None:
    board = replace(ASKING, standings={"sum-1000": standing})

    assert drawn(words.tier_line(board)).startswith(label)


def test_the_number_of_questions_to_come_is_a_guess_that_is_never_too_low() -> None:
    assert words.expected(ASKING) == 15
    assert words.expected(replace(ASKING, number=23)) == 23
    assert words.expected(replace(ASKING, duration_ms=10_000, number=0)) == 1


def test_a_right_answer_is_told_with_its_explanation() -> None:
    text = drawn(words.feedback(judged("852", right=True), NOON))

    assert "✓  Correct!" in text
    assert "Add the hundreds: 5 + 2 + 1 = 8." in text
    assert "Correct answer" not in text
    assert "Press any key to continue" in text


def test_a_wrong_answer_is_told_with_the_right_one() -> None:
    text = drawn(words.feedback(judged("842", right=False), NOON))

    assert "✗  Not quite" in text
    assert "You answered: 842" in text
    assert "Correct answer: 852" in text
    assert "Add the ones" in text


def test_a_right_value_in_another_form_is_told_so() -> None:
    assert "another form was asked for" in drawn(
        words.feedback(judged("1704/2", right=False, other_form=True), NOON)
    )
    assert "The same value, most simply written: 852" in drawn(
        words.feedback(judged("1704/2", right=True, other_form=True), NOON)
    )


def test_feedback_at_the_end_of_the_time_says_what_comes() -> None:
    text = drawn(words.feedback(judged("852", right=True), NOON + 901_000))

    assert "Time is up" in text
    assert "Time is up" in words.tip(ASKING, NOON + 901_000).plain
    assert "Enter" in words.tip(ASKING, NOON).plain


def test_a_hint_is_to_be_had_while_learning_alone() -> None:
    proving = SUM.model_copy(update={"tier": SkillTier.PROVE})

    assert words.may_hint(ASKING)
    assert not words.may_hint(replace(ASKING, question=SUM.model_copy(update={"hint": ""})))
    assert not words.may_hint(replace(ASKING, question=proving))
    assert not words.may_hint(replace(ASKING, question=None))


@pytest.mark.parametrize(
    ("trigger", "head", "line"),
    [
        (Trigger.TIER, "Level up!", "Prove tier unlocked!"),
        (Trigger.MASTERY, "Skill mastered!", "Fluency 87%"),
        (Trigger.RECOVERY, "Skill recovered!", "is yours again"),
        (Trigger.REVIEW, "A little rusty", "4 questions, 75% right"),
    ],
)
def test_every_move_that_matters_has_a_page(trigger: Trigger, head: str, line: str) -> None:
    board = replace(ASKING, moves=(moved(trigger),))

    assert words.notices(board) == (moved(trigger),)
    text = drawn(words.notice(board, moved(trigger)))
    assert head in text
    assert line in text
    assert "“Sums of 3-digit numbers”" in text


def test_a_first_attempt_is_no_news() -> None:
    assert words.notices(replace(ASKING, moves=(moved(Trigger.FIRST),))) == ()


def test_a_mastered_skill_says_what_it_opens_and_is_praised_once() -> None:
    mastered = Standing(SkillState.MASTERED, SkillTier.PROVE)
    up: SkillMoved = moved(Trigger.MASTERY, skill="sum-100")
    praise = RewardEarned(reward="mastery", line="Your second mastered skill", skill="sum-100")
    board = replace(ASKING, standings={"sum-100": mastered}, moves=(up,), rewards=(praise,))

    text = drawn(words.notice(board, up))

    assert "It opens: Differences to 100" in text
    assert "3-digit" not in text
    assert "Your second" not in text
    assert "Your second" not in drawn(
        words.feedback(replace(judged("1", right=True), rewards=(praise,)), NOON)
    )


def test_the_summary_has_every_figure_and_a_line_a_skill() -> None:
    text = drawn(words.summary(SUMMED))

    assert "Session complete!" in text
    assert "Duration: 15:12" in text
    assert "Questions: 14" in text
    assert "Correct: 11" in text
    assert "Accuracy: 79%" in text
    assert "Sums of 3-digit numbers (frontier)" in text
    assert "6/8 correct" in text
    assert "Learn ▸ Prove" in text
    assert "Hundreds, tens and ones (review)" in text
    assert "★ 5 right in a row" in text
    assert "See you tomorrow." in text


def test_a_summary_of_nothing_is_sober() -> None:
    nothing = SUMMED.model_copy(
        update={"answered": 0, "correct": 0, "rows": (), "rewards": (), "finished": False}
    )

    text = drawn(words.summary(nothing))

    assert "Session ended early" in text
    assert "Accuracy: 0%" in text
    assert "Skills" not in text
    assert "Well done" not in text


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (SkillRow(skill="a"), "Learn"),
        (
            SkillRow(
                skill="a",
                tier_before=SkillTier.PROVE,
                tier_after=SkillTier.PROVE,
                state_before=SkillState.LEARNING,
                state_after=SkillState.MASTERED,
            ),
            "Prove ▸ Mastered",
        ),
        (
            SkillRow(skill="a", state_before=SkillState.MASTERED, state_after=SkillState.RUSTY),
            "Mastered ▸ Rusty",
        ),
    ],
)
def test_a_change_is_told_as_before_and_after(row: SkillRow, shown: str) -> None:
    assert words.change(row).plain == shown


def test_who_comes_in_is_told_how_it_stands() -> None:
    def said(lobby: Lobby) -> str:
        return words.greeting("ana", lobby).plain

    every = {
        one.id: SkillRecord(skill=one.id, state=SkillState.MASTERED, total=14)
        for one in CURRICULUM.skills
    }
    one = {"read-100": SkillRecord(skill="read-100", total=1, state=SkillState.LEARNING)}

    assert "9 skills to discover" in said(Lobby(Mastery(CURRICULUM)))
    assert "2 skills want a review" in said(Lobby(mastery()))
    assert "Nothing is due" in said(Lobby(Mastery(CURRICULUM, one)))
    assert "mastered every skill" in said(Lobby(Mastery(CURRICULUM, every)))
    assert "still open" in said(Lobby(mastery(), open=ASKING))
    assert words.open_line(ASKING, NOON) == "question 7, 15:00 left"
    assert words.open_line(ASKING, NOON + 900_000) == "question 7, time is up"
    assert "2/9 mastered" in words.standing(mastery()).plain
    assert "2 due" in words.standing(mastery()).plain


@pytest.mark.parametrize(
    ("skill", "mark"),
    [
        ("read-100", Mark.MASTERED),
        ("hundreds", Mark.DUE),
        ("sum-20", Mark.RUSTY),
        ("sum-100", Mark.PROVING),
        ("round-10-100", Mark.LEARNING),
        ("diff-100", Mark.LOCKED),
        ("parts-of-whole", Mark.LOCKED),
    ],
)
def test_every_skill_has_the_mark_of_its_state(skill: str, mark: Mark) -> None:
    found = CURRICULUM.skill(skill)
    assert found is not None
    assert mastery().mark(found) is mark
    assert mark.value in words.skill_row(mastery(), found).plain
    assert words.SIGNS[mark][0] in words.skill_row(mastery(), found).plain


def test_what_needs_nothing_is_ready_and_signs_differ() -> None:
    root = CURRICULUM.skills[0]

    assert Mastery(CURRICULUM).mark(root) is Mark.READY
    assert len({sign for sign, _ in words.SIGNS.values()}) == len(Mark)
    assert all(mark.value in words.legend().plain for mark in Mark)


def test_the_detail_of_a_skill_names_what_it_needs_and_what_it_unlocks() -> None:
    skill = CURRICULUM.skill("sum-100")
    assert skill is not None

    text = drawn(words.detail(mastery(), skill))

    assert "◑ proving" in text
    assert "Adding and subtracting, grade 2" in text
    assert "Learn: 8 questions, 75% right" in text
    assert "Prove: 6 questions, 85% right, ~30 s each, no hints" in text
    assert "So far: 9 of 11 right (82%)" in text
    assert "▲ Sums to 20: rusty" in text
    assert "● Numbers to 100: mastered" in text
    assert "· Differences to 100: locked" in text


def test_the_detail_says_when_a_mastered_skill_is_reviewed() -> None:
    def said(skill: str) -> str:
        found = CURRICULUM.skill(skill)
        assert found is not None
        return drawn(words.detail(mastery(), found))

    assert "Review: in 3 days" in said("read-100")
    assert "Review: due now" in said("hundreds")
    assert "Needs\n  nothing" in "\n".join(line.rstrip() for line in said("read-100").splitlines())
    assert "nothing" in said("diff-100")


def test_a_line_of_the_history_fits_and_tells_all() -> None:
    past = Past(NOON - DAY_MS, SUMMED)

    line = words.past_row(past).plain

    assert "11/14  right  79%" in line
    assert "15:12" in line
    assert "✓ finished" in line
    assert "★ 1 step" in line
    assert len(line) <= 76
    left = Past(NOON, SUMMED.model_copy(update={"finished": False, "rows": ()}))
    assert "left early" in words.past_row(left).plain
    assert "★" not in words.past_row(left).plain


def test_the_longest_name_fits_into_a_line_of_the_map() -> None:
    long = CURRICULUM.skills[0].model_copy(update={"name": "n" * 200})
    card = Card(due_at=NOON)
    record = SkillRecord(skill=long.id, state=SkillState.RUSTY, attempts=99, correct=1, card=card)

    row = words.skill_row(Mastery(CURRICULUM, {long.id: record}, NOON), long).plain

    assert len(row) <= 74
    assert "rusty" in row


def test_a_choice_says_how_it_is_made() -> None:
    assert "1 to 4" in words.tip(replace(ASKING, question=SHARE), NOON).plain
    unit = SUM.model_copy(update={"unit": "cm"})
    assert "“cm”" in words.tip(replace(ASKING, question=unit), NOON).plain


def test_a_window_that_is_too_small_says_by_how_much() -> None:
    assert "70 × 20" in words.too_small(70, 20).plain
    assert "80 × 24" in words.too_small(70, 20).plain
