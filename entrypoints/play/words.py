"""Everything the windows of practice say and draw.

One law: pure. Nothing is told by a colour that a word or a sign does not tell too, and nothing is
said of a child that is not so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from holodeck.entrypoints.play.board import Board, goal
from holodeck.entrypoints.play.desk import Lobby, Mark, Mastery, Past
from holodeck.entrypoints.scene import BLUE, GREEN, GREY, ORANGE, RED
from holodeck.messages.curriculum import Skill
from holodeck.messages.practice import (
    AnswerFormat,
    Category,
    PracticeSummed,
    Question,
    SkillMoved,
    SkillRow,
    SkillState,
    SkillTier,
    TierRule,
    Trigger,
)

PRODUCT: Final = "Holodeck"
WIDTH: Final = 80
HEIGHT: Final = 24
"""The smallest window, in cells."""
QUESTION_WIDTH: Final = 60
TEXT_WIDTH: Final = 70
BAR: Final = 20
QUESTION_MS: Final = 60_000
"""What a question takes, roughly: thinking, answering, reading what was wrong."""

SIGNS: Final = {
    Mark.LOCKED: ("·", GREY),
    Mark.READY: ("○", BLUE),
    Mark.LEARNING: ("◔", BLUE),
    Mark.PROVING: ("◑", BLUE),
    Mark.MASTERED: ("●", GREEN),
    Mark.DUE: ("◉", ORANGE),
    Mark.RUSTY: ("▲", RED),
}
"""Sign and colour of every mark; its word stands beside it."""
TIERS: Final = {SkillTier.LEARN: "Learn", SkillTier.PROVE: "Prove"}
WHY: Final = {
    Category.FRONTIER: "new ground",
    Category.REVIEW: "review",
    Category.BOOSTER: "warm-up",
}


def ms(left: int) -> str:
    """A time as M:SS; what is below a second is left out, what is below zero is 0:00."""
    seconds = max(0, left) // 1000
    return f"{seconds // 60}:{seconds % 60:02d}"


def percent(right: int, of: int) -> int:
    """In whole per cent, halves up: 11 of 14 are 79."""
    return math.floor(100 * right / of + 0.5) if of else 0


def many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def sides(left: RenderableType, right: RenderableType) -> Table:
    """Two things in a line, as far from each other as it goes."""
    line = Table.grid(expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right")
    line.add_row(left, right)
    return line


def bar(done: int, of: int, width: int = BAR) -> str:
    """``width`` cells; only what is complete fills it."""
    full = width if done >= of else min(width - 1, width * done // of) if of else 0
    return "█" * full + "░" * (width - full)


def heading(title: str) -> Text:
    return Text(f"── {title} ", style=f"bold {BLUE}")


def expected(board: Board) -> int:
    """How many questions a session has, roughly; never fewer than there were."""
    return max(1, board.number, round(board.duration_ms / QUESTION_MS))


# --- the session ----------------------------------------


def skill_line(board: Board) -> Table:
    """Which skill is asked, which question it is, how many were right."""
    question = board.question
    name = board.name(question.skill) if question is not None else ""
    left = Text(name, style="bold", overflow="ellipsis", no_wrap=True)
    left.append(f"  ({WHY[board.category]})", style=GREY)
    count = Text(f"Q {board.number}/~{expected(board)}   ")
    count.append(f"✓ {board.correct}", style=GREEN)
    return sides(left, count)


def tier_line(board: Board) -> Text:
    """How far the tier is; the numbers are those of its rule."""
    question = board.question
    if question is None:
        return Text()
    standing = board.standing(question.skill)
    if standing.state is SkillState.MASTERED:
        line = Text("Mastered  ", style=GREEN)
        return line.append("keeping it fresh", style=GREY)
    rusty = standing.state is SkillState.RUSTY
    label = "Refresh" if rusty else TIERS[standing.tier]
    reached = goal(board.rule(question.skill), standing.attempts, standing.right)
    line = Text(f"{label}  ", style="bold")
    if reached.of is None:
        return line.append(f"{reached.right} right", style=GREY)
    line.append(bar(reached.right, reached.of), style=BLUE)
    line.append(f"  {reached.right}/{reached.of} right")
    if reached.more:
        line.append(f"  ·  {many(reached.more, 'question')} to go", style=GREY)
    return line


def tip(board: Board, now: int) -> Text:
    """What stands under the answer."""
    question = board.question
    if question is None:
        return Text()
    if board.left_ms(now) <= 0:
        return Text("Time is up: take the time you need for this one.", style=ORANGE)
    if question.format is AnswerFormat.CHOICE:
        return Text("Press 1 to 4, or choose with the arrows and press Enter.", style=GREY)
    if question.unit:
        return Text(f"Write the number; “{question.unit}” may stand behind it.", style=GREY)
    return Text("Write your answer and press Enter.", style=GREY)


def may_hint(board: Board) -> bool:
    """Whether there is a hint to be had for the open question."""
    question = board.question
    if question is None or not question.hint or question.tier is not SkillTier.LEARN:
        return False
    return board.rule(question.skill).hints


def feedback(board: Board, now: int) -> RenderableType:
    """What is said to an answer."""
    verdict, question = board.verdict, board.question
    if verdict is None or question is None:
        return Text()
    parts: list[RenderableType] = [
        Text(),
        Text(question.text, style=GREY, justify="center"),
        Text(),
    ]
    if verdict.correct:
        parts.append(Text("✓  Correct!", style=f"bold {GREEN}", justify="center"))
    else:
        parts.append(Text("✗  Not quite", style=f"bold {ORANGE}", justify="center"))
        answers = Text(justify="center")
        answers.append(f"You answered: {verdict.learner_answer}", style=GREY)
        answers.append(f"\nCorrect answer: {verdict.correct_answer}", style="bold")
        parts.append(answers)
    if verdict.other_form:
        form = (
            "The value is right, but another form was asked for."
            if not verdict.correct
            else f"The same value, most simply written: {verdict.correct_answer}"
        )
        parts.append(Text(f"≈  {form}", style=BLUE, justify="center"))
    parts += [Text(), Text(question.explanation)]
    # Of what was mastered there is a page of its own.
    lines = [one.line for one in board.rewards if one.reward not in ("mastery", "recovery")]
    if lines:
        parts += [Text(), *(Text(f"★ {line}", style=BLUE, justify="center") for line in lines)]
    if board.left_ms(now) <= 0:
        last = "Time is up. Press any key to see how you did..."
    else:
        last = "Press any key to continue..."
    parts += [Text(), Text(last, style=f"italic {GREY}", justify="center")]
    return Group(*parts)


def notices(board: Board) -> tuple[SkillMoved, ...]:
    """The moves that are worth a page of their own."""
    told = (Trigger.TIER, Trigger.MASTERY, Trigger.RECOVERY, Trigger.REVIEW)
    return tuple(one for one in board.moves if one.trigger in told)


def what_it_takes(rule: TierRule) -> str:
    """A tier's rule in words."""
    text = f"{many(rule.problems, 'question')}, {percent(round(rule.accuracy * 100), 100)}% right"
    if rule.limit_s:
        text += f", ~{rule.limit_s} s each"
    return text + ("" if rule.hints else ", no hints")


def notice(board: Board, moved: SkillMoved) -> RenderableType:
    """That a skill has moved on (or back)."""
    name = f"“{board.name(moved.skill)}”"
    match moved.trigger:
        case Trigger.MASTERY:
            head, style = "✪  Skill mastered!", GREEN
            lines = [f"{name}: fully mastered!", f"Fluency {percent_of(moved.fluency)}"]
            lines += [f"It opens: {one}" for one in opened(board, moved.skill)][:3]
        case Trigger.RECOVERY:
            head, style = "✪  Skill recovered!", GREEN
            lines = [f"{name} is yours again.", f"Fluency {percent_of(moved.fluency)}"]
        case Trigger.REVIEW | Trigger.DECAY:
            head, style = "▲  A little rusty", ORANGE
            lines = [
                f"{name} wants some practice.",
                f"To have it back: {what_it_takes(board.course.recovery)}",
            ]
        case Trigger.TIER | Trigger.FIRST:
            head, style = "★  Level up!", BLUE
            tier = TIERS[moved.tier]
            lines = [
                f"{name}: {tier} tier unlocked!",
                f"{tier}: {what_it_takes(board.rule(moved.skill))}",
            ]
    parts: list[RenderableType] = [Text(head, style=f"bold {style}", justify="center"), Text()]
    parts += [Text(line, justify="center") for line in lines]
    parts += [
        Text(),
        Text("Press any key to continue...", style=f"italic {GREY}", justify="center"),
    ]
    return Group(*parts)


def percent_of(share: float) -> str:
    return f"{percent(round(share * 10_000), 10_000)}%"


def opened(board: Board, skill: str) -> list[str]:
    """Names of skills that can be learnt now that ``skill`` is mastered."""
    return [
        one.name
        for one in board.course.skills
        if skill in one.needs
        and board.standing(one.id).state is SkillState.NEW
        and all(board.standing(need).state is SkillState.MASTERED for need in one.needs)
    ]


# --- what it came to ----------------------------------------


def level(state: SkillState, tier: SkillTier) -> str:
    """A skill's level in a word."""
    match state:
        case SkillState.MASTERED:
            return "Mastered"
        case SkillState.RUSTY:
            return "Rusty"
        case SkillState.NEW | SkillState.LEARNING:
            return TIERS[tier]


def change(row: SkillRow) -> Text:
    """Where a skill stands after a session, and where it stood if that is another."""
    before = level(row.state_before, row.tier_before)
    after = level(row.state_after, row.tier_after)
    if before == after:
        return Text(after)
    return Text.assemble((before, GREY), " ▸ ", (after, "bold"))


def summary(summed: PracticeSummed) -> RenderableType:
    """The page at the end of a session."""
    title = "Session complete!" if summed.finished else "Session ended early"
    style = GREEN if summed.finished else BLUE
    figures = Table.grid(expand=True)
    for _ in range(3):
        figures.add_column(ratio=1)
    figures.add_row(
        f"Questions: {summed.answered}",
        f"Correct: {summed.correct}",
        f"Accuracy: {percent(summed.correct, summed.answered)}%",
    )
    parts: list[RenderableType] = [
        sides(Text(title, style=f"bold {style}"), f"Duration: {ms(summed.duration_ms)}"),
        Text(),
        figures,
    ]
    if summed.rows:
        skills = Table.grid(expand=True, padding=(0, 1))
        skills.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        skills.add_column(justify="right", no_wrap=True)
        skills.add_column(no_wrap=True, min_width=16)
        for row in summed.rows:
            skills.add_row(
                Text.assemble(row.name or row.skill, (f" ({row.category})", GREY)),
                f"{row.correct}/{row.attempted} correct ",
                change(row),
            )
        parts += [Text(), heading("Skills"), Text(), skills]
    if summed.rewards:
        parts += [Text(), heading("Well done"), Text()]
        parts += [Text(f"★ {line}") for line in summed.rewards]
    if summed.message:
        parts += [Text(), Text(summed.message, style="italic")]
    return Group(*parts)


def ended(board: Board) -> RenderableType:
    """What a session came to; where it was cut off before it was summed up, that it is over."""
    if board.summed is not None:
        return summary(board.summed)
    return Text("This session has ended.", justify="center")


# --- the first page ----------------------------------------


def greeting(learner: str, lobby: Lobby) -> Text:
    """What is said to who comes in."""
    text = Text(justify="center")
    text.append(f"Hello, {learner}!", style="bold")
    mastery = lobby.mastery
    if lobby.open is not None:
        text.append("\nYour last session is still open.")
    elif not mastery.practised:
        many_skills = many(len(mastery.curriculum.skills), "skill")
        text.append(f"\n{many_skills} to discover. Each is made of short questions.")
    elif mastery.mastered == len(mastery.curriculum.skills):
        text.append("\nYou have mastered every skill there is.")
    elif mastery.due:
        text.append(
            f"\n{many(mastery.due, 'skill')} {'wants' if mastery.due == 1 else 'want'} a review."
        )
    else:
        text.append("\nNothing is due. A good day for something new.")
    return text


def standing(mastery: Mastery) -> Text:
    """The line of figures on the first page."""
    of = len(mastery.curriculum.skills)
    text = Text(justify="center")
    text.append("● ", style=GREEN)
    text.append(f"{mastery.mastered}/{of} mastered   ")
    text.append(bar(mastery.mastered, of, 16), style=GREEN)
    text.append("   ◉ ", style=ORANGE)
    text.append(f"{mastery.due} due")
    return text


def open_line(board: Board, now: int) -> str:
    """Where the open session stands."""
    left = board.left_ms(now)
    where = f"question {board.number}" if board.number else "the first question"
    return f"{where}, {f'{ms(left)} left' if left > 0 else 'time is up'}"


# --- the map ----------------------------------------


def skill_row(mastery: Mastery, skill: Skill) -> Text:
    """A line of the map."""
    mark = mastery.mark(skill)
    sign, colour = SIGNS[mark]
    record = mastery.record(skill)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{sign} ", style=colour)
    text.append(f"{skill.name:<38.38} ", style=GREY if mark is Mark.LOCKED else "")
    text.append(f"grade {skill.grade:<2} ", style=GREY)
    text.append(f"{mark.value:<9}", style=colour)
    if mark in (Mark.LEARNING, Mark.PROVING, Mark.RUSTY):
        reached = goal(rule_of(mastery, skill), record.attempts, record.correct)
        if reached.of is not None:
            text.append(f" {reached.right}/{reached.of} right", style=GREY)
    return text


def rule_of(mastery: Mastery, skill: Skill) -> TierRule:
    """What completes the tier a skill is at."""
    record = mastery.record(skill)
    curriculum = mastery.curriculum
    if record.state is SkillState.RUSTY:
        return curriculum.recovery
    if record.tier is SkillTier.LEARN:
        return skill.learn or curriculum.learn
    return skill.prove or curriculum.prove


def legend() -> Text:
    text = Text()
    for mark, (sign, colour) in SIGNS.items():
        text.append(f"{sign} {mark.value}  ", style=colour)
    return text


def detail(mastery: Mastery, skill: Skill) -> RenderableType:
    """All there is to say of a skill."""
    record = mastery.record(skill)
    mark = mastery.mark(skill)
    sign, colour = SIGNS[mark]
    curriculum = mastery.curriculum
    strand = next((one.name for one in curriculum.strands if one.id == skill.strand), skill.strand)
    parts: list[RenderableType] = [
        sides(Text(skill.name, style="bold"), Text(f"{sign} {mark.value}", style=colour)),
        Text(f"{strand}, grade {skill.grade}", style=GREY),
        Text(),
        Text(skill.description),
        Text(),
        Text(f"Learn: {what_it_takes(skill.learn or curriculum.learn)}"),
        Text(f"Prove: {what_it_takes(skill.prove or curriculum.prove)}"),
    ]
    if record.total:
        parts.append(
            Text(
                f"So far: {record.right} of {record.total} right"
                f" ({percent(record.right, record.total)}%)"
            )
        )
    if record.state is SkillState.MASTERED and record.card is not None:
        days = math.ceil((record.card.due_at - mastery.at) / 86_400_000)
        parts.append(Text("Review: due now" if days <= 0 else f"Review: in {many(days, 'day')}"))
    parts += [Text(), Text("Needs", style=f"bold {BLUE}"), *_marks(mastery, skill.needs)]
    unlocked = [one.id for one in mastery.unlocks(skill)]
    parts += [Text(), Text("Unlocks", style=f"bold {BLUE}"), *_marks(mastery, unlocked)]
    return Group(*parts)


def _marks(mastery: Mastery, skills: Sequence[str]) -> list[Text]:
    lines = []
    for identity in skills:
        skill = mastery.curriculum.skill(identity)
        if skill is not None:
            mark = mastery.mark(skill)
            sign, colour = SIGNS[mark]
            lines.append(Text.assemble((f"  {sign} ", colour), f"{skill.name}: {mark.value}"))
    return lines or [Text("  nothing", style=GREY)]


# --- the history ----------------------------------------


def past_row(past: Past) -> Text:
    """A line of the history; the day as it was here."""
    summed = past.summed
    day = datetime.fromtimestamp(past.at / 1000).strftime("%Y-%m-%d %H:%M")
    moved = sum(
        (row.state_before, row.tier_before) != (row.state_after, row.tier_after)
        and level(row.state_before, row.tier_before) != level(row.state_after, row.tier_after)
        for row in summed.rows
    )
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{day}  ", style=GREY)
    text.append(f"{ms(summed.duration_ms):>6}  ")
    text.append(f"{summed.correct:>3}/{summed.answered:<3} right ")
    text.append(f"{percent(summed.correct, summed.answered):>3}%  ")
    text.append("✓ finished   " if summed.finished else "– left early ", style=GREY)
    if moved:
        text.append(f"★ {many(moved, 'step')}", style=BLUE)
    return text


def too_small(width: int, height: int) -> Text:
    return Text(
        f"This window is too small.\n\nIt has {width} × {height} cells;\n"
        f"{WIDTH} × {HEIGHT} are needed.\n\nMake it larger to go on.",
        justify="center",
    )


def hint(question: Question) -> RenderableType:
    return Group(
        Text("Hint", style=f"bold {BLUE}", justify="center"),
        Text(),
        Text(question.hint, justify="center"),
        Text(),
        Text(question.text, style=GREY, justify="center"),
    )


def quitting() -> RenderableType:
    return Group(
        Text("End session early?", style="bold", justify="center"),
        Text(),
        Text("Your progress will be saved.", justify="center"),
    )
