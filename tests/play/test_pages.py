"""Every page of practice and every key of it, on a desk with a script."""

from __future__ import annotations

import pytest

from holodeck.entrypoints.play.board import Stage
from holodeck.entrypoints.play.desk import Lobby, Mastery, Past
from holodeck.entrypoints.play.screens import Dialog, Home, Menu, TooSmall
from holodeck.entrypoints.play.screens_progress import History, SkillMap
from holodeck.entrypoints.play.screens_session import AnswerField, Practice
from holodeck.messages.errors import RefusedError, Unavailable
from holodeck.messages.practice import (
    FeedbackClosed,
    QuestionFailed,
    RewardEarned,
    SkillState,
    SkillTier,
    Trigger,
)
from holodeck.messages.session import EndReason, Outcome, SessionEnded, SessionPaused
from tests.play.child import child
from tests.play.desks import CURRICULUM, NOON, SHARE, SUM, SUMMED, Scripted, mastery, moved

# --- the first page ----------------------------------------


async def test_home_greets_shows_how_one_stands_and_where_to_go() -> None:
    async with child() as one:
        await one.until("Hello, ana!")
        text = one.sees
        assert "Small maths" in text
        assert "2/9 mastered" in text
        assert "2 due" in text
        assert [word for word in ("PLAY", "SKILL MAP", "HISTORY", "EXIT") if word in text] == [
            "PLAY",
            "SKILL MAP",
            "HISTORY",
            "EXIT",
        ]
        assert "▶ PLAY" in text


@pytest.mark.parametrize("down", ["down", "j"])
@pytest.mark.parametrize("up", ["up", "k"])
async def test_home_is_walked_with_arrows_or_letters(down: str, up: str) -> None:
    async with child() as one:
        await one.until("▶ PLAY")
        await one.press(down, down)
        await one.until("▶ HISTORY")
        await one.press(up)
        await one.until("▶ SKILL MAP")
        await one.press("enter")
        await one.until(lambda: isinstance(one.app.screen, SkillMap))


@pytest.mark.parametrize("keys", [("escape",), ("q",), ("up", "enter")])
async def test_home_is_left(keys: tuple[str, ...]) -> None:
    async with child() as one:
        await one.until("▶ PLAY")
        await one.press(*keys)
        await one.until(lambda: one.app.return_value == "left")


async def test_home_is_clicked() -> None:
    async with child() as one:
        await one.until("▶ PLAY")
        await one.pilot.click(Menu, offset=(5, 1))
        await one.until(lambda: isinstance(one.app.screen, SkillMap))


async def test_home_offers_to_go_on_where_one_was() -> None:
    desk = Scripted()
    await desk.begin()
    async with child(desk) as one:
        await one.until("▶ GO ON  (question 1, ")
        assert "Your last session is still open" in one.sees
        await one.press("enter")
        await one.until("What is 567 + 285?")
        assert desk.asked == [("begin",), ("go-on",)]


async def test_home_offers_to_end_what_is_open() -> None:
    desk = Scripted()
    await desk.begin()
    async with child(desk) as one:
        await one.until("END THAT SESSION")
        await one.press("down", "enter")
        await one.until("Session ended early")
        await one.press("enter")
        await one.until("▶ PLAY")
        assert desk.asked == [("begin",), ("quit",)]


async def test_a_start_that_is_refused_is_told_and_nothing_is_lost() -> None:
    desk = Scripted()
    desk.fails = RefusedError("at-capacity", "no host has room")
    async with child(desk) as one:
        await one.until("▶ PLAY")
        await one.press("enter")
        await one.until("no host has room")
        await one.press("enter")
        await one.until("Q 1/~15")


# --- a question ----------------------------------------


async def test_a_question_has_its_head_its_tier_its_field_and_its_keys() -> None:
    async with child() as one:
        await one.plays()
        text = one.sees
        assert "Holodeck" in text
        assert "Practice · Small maths" in text
        assert "14:59" in text or "15:00" in text
        assert "Sums of 3-digit numbers" in text
        assert "Q 1/~15   ✓ 0" in text
        assert "Learn  ░" in text
        assert "0/6 right" in text
        assert "What is 567 + 285?" in text
        assert "Enter Submit" in text
        assert "h Hint" in text
        assert "p Pause" in text
        assert "Esc Quit" in text
        assert one.app.focused is one.page.query_one(AnswerField)


async def test_the_field_holds_twenty_characters() -> None:
    async with child() as one:
        await one.plays()
        await one.press(*"1234567890123456789012345")
        assert one.page.query_one(AnswerField).value == "12345678901234567890"


async def test_an_answer_is_submitted_and_its_feedback_is_left_with_any_key() -> None:
    desk = Scripted((SUM, SHARE))
    async with child(desk) as one:
        await one.plays()
        await one.answers("852")
        await one.until("✓  Correct!")
        assert "Add the hundreds: 5 + 2 + 1 = 8." in one.sees
        await one.press("x")
        await one.until("Q 2/~15   ✓ 1")
        assert desk.asked == [("begin",), ("answer", 1, "852"), ("close", 1)]


async def test_a_wrong_answer_shows_the_right_one() -> None:
    async with child() as one:
        await one.plays()
        await one.answers("842")
        await one.until("✗  Not quite")
        assert "Correct answer: 852" in one.sees
        await one.press("space")
        await one.until("Q 2/~15   ✓ 0")
        assert one.page.query_one(AnswerField).value == ""


async def test_a_blank_is_no_answer() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press("enter", "space", "space", "enter")
        assert desk.asked == [("begin",)]
        assert one.page.board.stage is Stage.ASKING


async def test_an_answer_is_submitted_once_however_often_enter_is_hit() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        desk.gate.clear()
        await one.press(*"852", "enter", "enter", "enter")
        desk.gate.set()
        await one.until("✓  Correct!")
        assert desk.asked == [("begin",), ("answer", 1, "852")]


async def test_an_answer_that_does_not_get_through_stays_in_the_field() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        desk.fails = Unavailable("s1", "no answer")
        await one.answers("852")
        await one.until("no answer")
        assert one.page.query_one(AnswerField).value == "852"
        await one.press("enter")
        await one.until("✓  Correct!")


async def test_what_was_done_elsewhere_is_seen_with_the_next_key() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        desk.tell(
            SessionEnded(reason=EndReason.INACTIVITY_TIMEOUT, outcome=Outcome.SUCCESS, active_ms=1),
            SUMMED,
        )
        desk.fails = RefusedError("session-ended", "s1")
        await one.answers("852")
        await one.until("Session complete!")
        assert "Accuracy: 79%" in one.sees


# --- four options ----------------------------------------


async def test_a_choice_has_four_numbered_options_and_none_is_meant_yet() -> None:
    async with child(Scripted((SHARE,))) as one:
        await one.plays()
        for line in ("1) 3/4", "2) 1/2", "3) 2/3", "4) 1/4"):
            assert line in one.sees
        assert "▶" not in one.sees
        assert "1-4 Answer" in one.sees


@pytest.mark.parametrize("key", ["1", "2", "3", "4"])
async def test_a_digit_submits_at_once_and_carries_its_place(key: str) -> None:
    desk = Scripted((SHARE,))
    async with child(desk) as one:
        await one.plays()
        await one.press(key)
        await one.until("✓  Correct!" if key == "2" else "✗  Not quite")
        assert desk.asked[1] == ("answer", 1, int(key) - 1)


async def test_enter_chooses_nothing_until_an_option_is_meant() -> None:
    desk = Scripted((SHARE,))
    async with child(desk) as one:
        await one.plays()
        await one.press("enter")
        assert desk.asked == [("begin",)]


@pytest.mark.parametrize(
    ("keys", "place"),
    [(("down",), 0), (("j", "j"), 1), (("down", "down", "down", "k"), 1), (("up",), 3)],
)
async def test_an_option_is_chosen_with_arrows_or_letters(
    keys: tuple[str, ...], place: int
) -> None:
    desk = Scripted((SHARE,))
    async with child(desk) as one:
        await one.plays()
        await one.press(*keys)
        await one.until(f"▶ {place + 1})")
        await one.press("enter")
        await one.until(lambda: one.page.board.stage is Stage.TOLD)
        assert desk.asked[1] == ("answer", 1, place)


async def test_an_option_is_clicked() -> None:
    desk = Scripted((SHARE,))
    async with child(desk) as one:
        await one.plays()
        await one.pilot.click("#options", offset=(14, 1))
        await one.until("✓  Correct!")
        assert desk.asked[1] == ("answer", 1, 1)


async def test_a_digit_is_a_digit_where_a_number_is_asked() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press("2")
        assert one.page.query_one(AnswerField).value == "2"
        assert desk.asked == [("begin",)]


# --- hints ----------------------------------------


@pytest.mark.parametrize("key", ["h", "f2"])
async def test_a_hint_is_shown_and_left_with_any_key(key: str) -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press(key)
        await one.until("Is there something to carry?")
        assert isinstance(one.app.screen, Dialog)
        assert "What is 567 + 285?" in one.sees
        await one.press("x")
        await one.until(lambda: isinstance(one.app.screen, Practice))
        assert ("hint", 1) in desk.asked
        assert one.page.query_one(AnswerField).value == ""


async def test_h_is_a_letter_in_a_field_that_is_not_empty_and_f2_still_helps() -> None:
    async with child() as one:
        await one.plays()
        await one.press("8", "h", "p")
        assert one.page.query_one(AnswerField).value == "8hp"
        await one.press("f2")
        await one.until("Is there something to carry?")
        await one.press("enter")
        await one.until(lambda: isinstance(one.app.screen, Practice))
        assert one.page.query_one(AnswerField).value == "8hp"


async def test_a_choice_has_its_hint_too() -> None:
    async with child(Scripted((SHARE,))) as one:
        await one.plays()
        await one.press("h")
        await one.until("Divide top and bottom by the same number.")


async def test_there_is_no_hint_where_it_is_proved() -> None:
    proof = SUM.model_copy(update={"tier": SkillTier.PROVE, "hint": ""})
    desk = Scripted((proof,))
    async with child(desk) as one:
        await one.plays()
        assert "h Hint" not in one.sees
        await one.press("h")
        await one.until("There is no hint for this one")
        assert desk.asked == [("begin",)]


# --- pauses ----------------------------------------


@pytest.mark.parametrize("key", ["p", "f3"])
async def test_a_pause_hides_the_question_until_any_key(key: str) -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press(key)
        await one.until("The clock stands still.")
        assert "567" not in one.sees
        assert "‖" in one.sees
        await one.press("x")
        await one.until("What is 567 + 285?")
        assert desk.asked == [("begin",), ("pause",), ("resume",)]


async def test_there_is_no_pause_with_half_an_answer() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press("8", "f3")
        assert desk.asked == [("begin",)]


async def test_a_session_that_was_paused_goes_on_from_home() -> None:
    desk = Scripted()
    await desk.begin()
    desk.tell(SessionPaused())
    async with child(desk) as one:
        await one.until("▶ GO ON")
        await one.press("enter")
        await one.until("What is 567 + 285?")


# --- the end ----------------------------------------


@pytest.mark.parametrize("key", ["n", "escape"])
async def test_the_quit_dialog_keeps_going(key: str) -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press("8", "escape")
        await one.until("End session early?")
        assert "Your progress will be saved." in one.sees
        await one.press("x", "enter")
        assert isinstance(one.app.screen, Dialog)
        await one.press(key)
        await one.until(lambda: isinstance(one.app.screen, Practice))
        assert one.page.query_one(AnswerField).value == "8"
        assert desk.asked == [("begin",)]


@pytest.mark.parametrize("key", ["y", "Y"])
async def test_the_quit_dialog_ends_with_a_summary(key: str) -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press("escape")
        await one.until("End session early?")
        await one.press(key)
        await one.until("Session ended early")
        assert "Duration: 15:12" in one.sees
        assert "Sums of 3-digit numbers (frontier)" in one.sees
        assert "Learn ▸ Prove" in one.sees
        assert desk.asked == [("begin",), ("quit",)]


async def test_q_quits_where_nothing_is_typed() -> None:
    async with child(Scripted((SHARE,))) as one:
        await one.plays()
        await one.press("q")
        await one.until("End session early?")


async def test_q_is_a_letter_in_a_field() -> None:
    async with child() as one:
        await one.plays()
        await one.press("q")
        assert one.page.query_one(AnswerField).value == "q"


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_the_summary_leads_home_and_home_knows_of_it(key: str) -> None:
    async with child() as one:
        await one.plays()
        await one.press("escape")
        await one.until("End session early?")
        await one.press("y")
        await one.until("Session ended early")
        await one.press("x")
        assert "Session ended early" in one.sees
        await one.press(key)
        await one.until(lambda: isinstance(one.app.screen, Home))
        await one.until("▶ PLAY")
        await one.press("down", "down", "enter")
        await one.until("1 session")


async def test_after_its_time_a_question_is_finished_and_then_it_is_over() -> None:
    desk = Scripted(minutes=0.05)
    async with child(desk) as one:
        await one.plays()
        await one.until("Time is up: take the time you need for this one.")
        assert "0:00" in one.sees
        await one.answers("852")
        await one.until("Time is up. Press any key to see how you did...")
        await one.press("space")
        await one.until("Session complete!")
        assert "Questions: 1" in one.sees


# --- feedback and notices ----------------------------------------


@pytest.mark.parametrize(
    ("trigger", "head"),
    [
        (Trigger.TIER, "★  Level up!"),
        (Trigger.MASTERY, "✪  Skill mastered!"),
        (Trigger.RECOVERY, "✪  Skill recovered!"),
        (Trigger.REVIEW, "▲  A little rusty"),
    ],
)
async def test_a_notice_comes_behind_the_feedback(trigger: Trigger, head: str) -> None:
    desk = Scripted(follows={1: (moved(trigger),)})
    async with child(desk) as one:
        await one.plays()
        await one.answers("852")
        await one.until("✓  Correct!")
        assert head not in one.sees
        await one.press("enter")
        await one.until(head)
        assert desk.asked[-1] == ("answer", 1, "852")
        await one.press("enter")
        await one.until("Q 2/~15")


async def test_praise_stands_under_the_explanation() -> None:
    praise = RewardEarned(reward="streak", line="5 right in a row")
    async with child(Scripted(follows={1: (praise,)})) as one:
        await one.plays()
        await one.answers("852")
        await one.until("★ 5 right in a row")


async def test_feedback_closes_by_itself_where_that_is_wanted() -> None:
    desk = Scripted()
    async with child(desk, close_after=0.05) as one:
        await one.plays()
        await one.answers("852")
        await one.until("Q 2/~15")
        assert desk.asked[-1] == ("close", 1)


async def test_a_long_explanation_is_scrolled_and_not_closed() -> None:
    lines = "\n".join(f"Step {n} of many." for n in range(40))
    desk = Scripted((SUM.model_copy(update={"explanation": lines}),))
    async with child(desk) as one:
        await one.plays()
        await one.answers("852")
        await one.until("Step 1 of many.")
        await one.press("end")
        await one.until("Step 39 of many.")
        await one.press("pageup", "down", "up")
        assert one.page.board.stage is Stage.TOLD
        await one.press("space")
        await one.until("Q 2/~15")


async def test_a_question_that_is_still_made_is_waited_for() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        desk.tell(FeedbackClosed(number=1))
        one.page.show(desk.board)
        await one.until("Thinking of a question...")
        desk.tell(QuestionFailed(slot=0, skill="diff-100", tries=3))
        await one.until("No question for Differences to 100")
        desk.tell(desk._served(2))
        await one.until("Q 2/~15")


async def test_what_has_become_rusty_is_told_at_the_start() -> None:
    desk = Scripted()
    await desk.begin()
    desk.tell(moved(Trigger.DECAY, skill="sum-20", before=SkillState.MASTERED), desk._served(1))
    async with child(desk) as one:
        await one.until("▶ GO ON")
        await one.press("enter")
        await one.until("Sums to 20 has become a little rusty")


# --- map and history ----------------------------------------


async def test_the_map_shows_strands_and_the_state_of_every_skill() -> None:
    async with child() as one:
        await one.until("▶ PLAY")
        await one.press("down", "enter")
        await one.until("── Numbers")
        text = one.sees
        assert "── Adding and subtracting" in text
        assert "── Fractions" in text
        assert all(skill.name in text for skill in CURRICULUM.skills)
        for line in ("● Numbers to 100", "◉ Hundreds", "▲ Sums to 20", "◑ Sums to 100"):
            assert line in text
        assert "▲ rusty" in text


async def test_tab_jumps_from_strand_to_strand_and_back() -> None:
    async with child() as one:
        await one.until("▶ PLAY")
        await one.press("down", "enter")
        await one.until("▶ ● Numbers to 100")
        await one.press("tab")
        await one.until("▶ ▲ Sums to 20")
        await one.press("down", "tab")
        await one.until("▶ · Parts of a whole")
        await one.press("tab")
        await one.until("▶ ● Numbers to 100")
        await one.press("shift+tab")
        await one.until("▶ · Parts of a whole")


async def test_enter_shows_a_skill_and_escape_leads_back_home() -> None:
    async with child() as one:
        await one.until("▶ PLAY")
        await one.press("down", "enter")
        await one.until("▶ ● Numbers to 100")
        await one.press("tab", "j", "enter")
        await one.until("Unlocks")
        assert "▲ Sums to 20: rusty" in one.sees
        assert "· Differences to 100: locked" in one.sees
        await one.press("x")
        await one.until(lambda: isinstance(one.app.screen, SkillMap))
        await one.press("escape")
        await one.until(lambda: isinstance(one.app.screen, Home))


async def test_the_history_has_a_line_a_session_and_enter_shows_it() -> None:
    past = tuple(Past(NOON - n, SUMMED.model_copy(update={"answered": 14 + n})) for n in range(50))
    async with child(Scripted(lobby=Lobby(mastery(), past))) as one:
        await one.until("▶ PLAY")
        await one.press("down", "down", "enter")
        await one.until("50 sessions")
        await one.until("11/14  right  79%")
        await one.press("end")
        await one.until("11/63  right")
        await one.press("home", "enter")
        await one.until("Questions: 14")
        assert "Learn ▸ Prove" in one.sees
        await one.press("escape")
        await one.until(lambda: isinstance(one.app.screen, History))
        await one.press("escape")
        await one.until(lambda: isinstance(one.app.screen, Home))


async def test_a_history_of_nothing_says_so() -> None:
    async with child(Scripted(lobby=Lobby(Mastery(CURRICULUM)))) as one:
        await one.until("9 skills to discover")
        await one.press("down", "down", "enter")
        await one.until("No session yet.")


# --- the window ----------------------------------------


@pytest.mark.parametrize("size", [(79, 24), (80, 23), (40, 10)])
async def test_a_window_that_is_too_small_says_so_and_takes_no_keys(size: tuple[int, int]) -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.pilot.resize_terminal(*size)
        await one.until(f"{size[0]} × {size[1]}")
        assert "80 × 24" in one.sees
        assert isinstance(one.app.screen, TooSmall)
        await one.press("8", "enter", "escape")
        await one.pilot.resize_terminal(81, 25)
        await one.until("What is 567 + 285?")
        assert one.page.query_one(AnswerField).value == ""
        assert desk.asked == [("begin",)]


async def test_a_window_that_begins_too_small_may_grow() -> None:
    async with child(size=(60, 20)) as one:
        await one.until("60 × 20")
        await one.pilot.resize_terminal(70, 20)
        await one.until("70 × 20")
        await one.pilot.resize_terminal(80, 24)
        await one.until("▶ PLAY")


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60)])
async def test_every_page_fits_the_window(size: tuple[int, int]) -> None:
    long = SUM.model_copy(update={"text": "How many apples are there now? " * 12})
    async with child(Scripted((long,)), size=size) as one:
        await one.plays()
        assert one.page.query_one(AnswerField).region.bottom < size[1] - 2
        assert "Esc Quit" in one.sees
        assert one.page.max_scroll_x == one.page.max_scroll_y == 0


async def test_long_options_are_read_to_their_end() -> None:
    options = tuple(f"Because {word} times a number is as much as its sum with itself, and "
                    f"the order of its parts does not change that; that is reason {word}"
                    for word in ("one", "two", "three", "four"))  # fmt: skip
    long = SHARE.model_copy(update={"choices": options, "answer": options[1]})
    async with child(Scripted((long,))) as one:
        await one.plays()
        for word in ("one", "two", "three", "four"):
            assert f"reason {word}" in " ".join(one.sees.split())
        await one.press("2")
        await one.until("✓  Correct!")


@pytest.mark.parametrize("key", ["ctrl+c", "ctrl+q"])
async def test_an_interrupt_leaves_the_session_paused(key: str) -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press(key)
        await one.until(lambda: one.app.return_value == "paused")
        assert desk.board.stage is Stage.PAUSED
        assert desk.asked == [("begin",), ("pause",)]


async def test_an_interrupt_pauses_from_behind_a_dialog_and_in_feedback() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.answers("852")
        await one.until("✓  Correct!")
        await one.press("ctrl+c")
        await one.until(lambda: one.app.return_value == "paused")
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.press("escape")
        await one.until("End session early?")
        await one.press("ctrl+c")
        await one.until(lambda: one.app.return_value == "paused")
        assert desk.board.stage is Stage.PAUSED


async def test_an_interrupt_leaves_even_if_nobody_can_be_told() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        desk.fails = Unavailable("s1", "no answer")
        await one.press("ctrl+c")
        await one.until(lambda: one.app.return_value == "left")


async def test_what_the_last_line_offers_can_be_clicked() -> None:
    desk = Scripted()
    async with child(desk) as one:
        await one.plays()
        await one.pilot.click("#foot", offset=(31, 1))
        await one.until("The clock stands still.")
        await one.pilot.click("#foot", offset=(4, 1))
        await one.until("What is 567 + 285?")
