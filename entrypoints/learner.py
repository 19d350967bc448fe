"""``holodeck learner``: how far somebody has come in practice, and the sessions behind it.

One law: what is shown is what the learner keeps; looking changes nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from holodeck.deck import Deck
from holodeck.entrypoints import show
from holodeck.entrypoints.running import Json, with_deck
from holodeck.entrypoints.show import Out
from holodeck.messages.ids import check_id
from holodeck.messages.practice import SkillRecord, SkillState
from holodeck.practice import Mastery, PastPractice

learner_app = typer.Typer(
    no_args_is_help=True,
    help="""Learners: how far they have come in practice.

    [bold]Examples:[/bold]

      holodeck learner show ana
      holodeck learner show ana --curriculum music-reading
      holodeck learner history ana --json""",
)

Who = Annotated[str, typer.Argument(metavar="LEARNER", help="Its id.", show_default=False)]
_ORDER = (SkillState.RUSTY, SkillState.LEARNING, SkillState.MASTERED, SkillState.NEW)


@learner_app.command("show")
def learner_show(
    ctx: typer.Context,
    learner: Who,
    curriculum: Annotated[
        str | None,
        typer.Option("--curriculum", "-c", help="Only this one; without it, all that were begun."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Every skill that was practised: its state, how it goes, and when it is to be reviewed.

    [bold]Example:[/bold]  holodeck learner show ana --curriculum primary-maths
    """

    async def work(deck: Deck, out: Out) -> None:
        one = deck.learner(check_id(learner))
        names = [curriculum] if curriculum else sorted((await one.state()).practice or {})
        found = [await one.mastery(name) for name in names]
        shown: list[RenderableType] = []
        for mastery in found:
            shown += [*([Text()] if shown else []), *_mastery(mastery)]
        out.document(
            [_document(mastery) for mastery in found],
            Group(*shown) if shown else f"{learner} has not practised yet",
        )

    with_deck(ctx, as_json, work)


def _document(mastery: Mastery) -> dict[str, Any]:
    return {
        **{name: show.plain(getattr(mastery, name)) for name in type(mastery).__slots__},
        "states": {state.value: mastery.count(state) for state in _ORDER[:3]},
    }


def _mastery(mastery: Mastery) -> list[RenderableType]:
    right = f", {_percent(mastery.right, mastery.answers)} right" if mastery.answers else ""
    head = Text(
        show.clean(
            f"{mastery.curriculum}: {mastery.sessions:,} sessions on {mastery.days:,} days, "
            f"{mastery.answers:,} answers{right}"
        ),
        style="bold",
    )
    counts = Text(
        f"{mastery.count(SkillState.MASTERED)} mastered, "
        f"{mastery.count(SkillState.LEARNING)} being learned, "
        f"{mastery.count(SkillState.RUSTY)} rusty, {len(mastery.due)} due for review"
    )
    due = set(mastery.due)
    rows = sorted(mastery.records, key=lambda record: (_ORDER.index(record.state), record.skill))
    table = show.table(
        ("skill", "state", "tier", "in tier", "ever", "streak", "last", "review"),
        [
            (
                record.skill,
                record.state.value,
                record.tier.value,
                f"{record.correct}/{record.attempts}",
                f"{record.right}/{record.total}",
                record.streak,
                f"{show.ago(record.last_at)} ago" if record.last_at else "",
                _review(record, record.skill in due),
            )
            for record in rows
        ],
    )
    opened = [Text(f"open: {', '.join(mastery.open)}")] if mastery.open else []
    return [head, counts, *opened, *([table] if rows else [])]


def _review(record: SkillRecord, due: bool) -> str:
    if record.card is None or record.state is not SkillState.MASTERED:
        return ""
    return "now" if due else show.clock(record.card.due_at)[:10]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


@learner_app.command("history")
def learner_history(
    ctx: typer.Context,
    learner: Who,
    curriculum: Annotated[
        str | None, typer.Option("--curriculum", "-c", help="Only of this one.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """Practice sessions that are over, the newest first: how many questions, how many right, and
    which skills went further.

    [bold]Example:[/bold]  holodeck learner history ana --limit 10
    """

    async def work(deck: Deck, out: Out) -> None:
        found = (await deck.learner(check_id(learner)).practice_history(curriculum))[:limit]
        documents = [show.plain(past) | {"rows": _rows(past)} for past in found]
        head = ("ended", "session", "no", "right", "accuracy", "took", "finished", "further")
        rows = [
            (
                show.clock(past.at),
                past.session,
                past.number,
                f"{past.correct}/{past.answered}",
                _percent(past.correct, past.answered),
                _minutes(past.duration_ms),
                "yes" if past.finished else "left early",
                "; ".join(_further(past)),
            )
            for past in found
        ]
        out.document(documents, show.table(head, rows) if rows else "no session is over yet")

    with_deck(ctx, as_json, work)


def _rows(past: PastPractice) -> list[dict[str, Any]]:
    return [{name: str(v) if isinstance(v, str) else v for name, v in row._asdict().items()}
            for row in past.rows]  # fmt: skip


def _minutes(ms: int) -> str:
    return f"{ms // 60_000}:{ms // 1000 % 60:02}"


def _further(past: PastPractice) -> list[str]:
    """What changed, a skill each."""
    return [
        f"{row.skill} {row.state_after.value}"
        if row.state_after is not row.state_before
        else f"{row.skill} {row.tier_before.value} > {row.tier_after.value}"
        for row in past.rows
        if (row.state_after, row.tier_after) != (row.state_before, row.tier_before)
    ]
