"""The cases of practice: tiers, plans, rotation, time, memory, fluency, summaries.

One law: what is expected is computed by the real planner, the real fold and the real decider; here
inputs are only put into their words, and their answers into those of the cases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from holodeck.actors.session.decider import next_deadline
from holodeck.actors.session.practice.clock import answer_ms, countdown, ends_at, time_up
from holodeck.actors.session.practice.planner import plan, shares, unlocked
from holodeck.actors.session.practice.progress import (
    SPEEDS,
    STREAK_CAP,
    accuracy,
    complete,
    consistency,
    fluency,
    mean_speed,
    speed_score,
    windowed,
)
from holodeck.actors.session.practice.state import (
    ERRORS,
    TEXTS,
    block_over,
    error_text,
    following,
    newest,
)
from holodeck.actors.session.practice.summary import percent, planned_rows, shown_rows
from holodeck.messages.errors import RefusedError
from holodeck.messages.practice import (
    Card,
    Category,
    CloseFeedback,
    Course,
    CourseSkill,
    PracticeOptions,
    PracticeSummed,
    QuestionServed,
    SchedulerKind,
    SkillRecord,
    SkillRow,
    SkillState,
    SkillTier,
    Slot,
    TierRule,
    Trigger,
)
from holodeck.messages.session import End, SessionEnded
from tests.actors.session.practice.sessions import (
    Lesson,
    course,
    failed,
    lesson,
    made,
    start,
)
from tests.actors.session.stories import NOON
from tests.conformance.runner import Adapter
from tests.conformance.shapes import has, unknown

ONE: Final = course("skill 2")
"""A course of one skill."""
NEVER: Final = TierRule(problems=1000, accuracy=1)
"""A tier that is not completed in a case."""
SLOW: Final = course("skill 2", learn=NEVER)
LIMIT_MS: Final = 900_000


# --- tiers ----------------------------------------


def tier_progress(given: Any) -> Any:
    if not has(given, "answers"):
        raise unknown("tier_progress", given)
    told = lesson(SLOW)
    for right in given["answers"]:
        told.answer(right)
    record = told.practice.record("skill")
    return {
        "attempts": record.attempts,
        "correct": record.correct,
        "accuracy": accuracy(record.correct, record.attempts),
    }


def tier_complete(given: Any) -> Any:
    if not has(given, "attempts", "correct", "problems_required", "accuracy_threshold"):
        raise unknown("tier_complete", given)
    rule = TierRule(problems=given["problems_required"], accuracy=given["accuracy_threshold"])
    return {"complete": complete(given["attempts"], given["correct"], rule)}


def tier_advance(given: Any) -> Any:
    rules = ("learn", "prove")
    if has(given, "all_correct", *rules) and given["all_correct"] is True:
        return _straight_through(_with_rules(given))
    if not has(given, "tier", "attempts", "correct", "answer_correct",
               maybe=("already_mastered", *rules)):  # fmt: skip
        raise unknown("tier_advance", given)
    state = SkillState.MASTERED if given.get("already_mastered") else SkillState.LEARNING
    record = SkillRecord(
        skill="skill",
        state=state,
        tier=given["tier"],
        attempts=given["attempts"],
        correct=given["correct"],
    )
    told = lesson(_with_rules(given), [record])
    told.answer(given["answer_correct"], proceed=False)
    after = told.practice.record("skill")
    (answer,) = told.given
    moves = [one for one in told.moves if one.trigger is not Trigger.FIRST]
    result: dict[str, Any] = {"advanced": bool(moves)}
    if not moves:
        return result | {
            "tier": after.tier,
            "attempts": after.attempts,
            "correct": after.correct,
        }
    (move,) = moves
    return result | {
        "from": move.tier_before,
        "to": move.tier,
        "mastered": move.state is SkillState.MASTERED,
        "new_progress": {
            "tier": after.tier,
            "attempts": after.attempts,
            "correct": after.correct,
        },
        "accuracy_at_completion": accuracy(answer.hits, answer.attempts),
    }


def _with_rules(given: Mapping[str, Any]) -> Course:
    return course(
        "skill 2",
        **{
            name: TierRule(problems=given[name][0], accuracy=given[name][1])
            for name in ("learn", "prove")
            if name in given
        },
    )


def _straight_through(of: Course) -> dict[str, int]:
    told = lesson(of)
    seen: dict[Trigger, int] = {}
    while Trigger.MASTERY not in seen:
        told.answer()
        for move in told.moves:
            seen.setdefault(move.trigger, len(told.given))
    return {
        "learn_complete_at_question": seen[Trigger.TIER],
        "mastered_at_question": seen[Trigger.MASTERY],
    }


# --- plans ----------------------------------------


def planner(given: Any) -> Any:
    if has(given, "total_slots", "shares"):
        if given["shares"] != [0.6, 0.3, 0.1]:
            raise unknown("planner", given)
        return shares(given["total_slots"])._asdict()
    maybe = (
        "last_answer_ts", "history_accuracy", "due_most_overdue_first", "tier_progress_tier"
    )  # fmt: skip
    if not has(given, "graph", "mastered", maybe=maybe):
        raise unknown("planner", given)
    of = Course(
        id="graph",
        skills=tuple(
            CourseSkill(id=one["id"], name=one["id"], grade=one["grade"], needs=one["prereqs"])
            for one in given["graph"]
        ),
    )
    records = _records(given)
    dated = "due_most_overdue_first" in given
    options = PracticeOptions(
        curriculum="graph", scheduler=SchedulerKind.FSRS if dated else SchedulerKind.OLDEST
    )
    slots = plan(of, records, options, NOON, 1)
    try:
        told = Lesson()
        told.tell(start(of, records.values(), options))
        begun: Any = told.practice.limit_ms
    except RefusedError:
        begun = None
    counts = Counter(slot.category for slot in slots)
    return {
        "slots": [[slot.skill, slot.tier, slot.category] for slot in slots],
        "counts": {kind: counts[kind] for kind in Category},
        "duration_secs": None if begun is None else begun / 1000,
        "session_start": "error" if begun is None else "ok",
    }


def _records(given: Mapping[str, Any]) -> dict[str, SkillRecord]:
    times = given.get("last_answer_ts", {})
    shares_of = given.get("history_accuracy", {})
    due = given.get("due_most_overdue_first")
    records = {}
    for skill in given["mastered"]:
        card = None
        if due is not None:
            early = NOON - len(due) + due.index(skill) if skill in due else NOON + 1
            card = Card(due_at=early, last_at=early - 1)
        records[skill] = SkillRecord(
            skill=skill,
            state=SkillState.MASTERED,
            tier=given.get("tier_progress_tier", {}).get(skill, SkillTier.LEARN),
            total=1000 if skill in shares_of else 0,
            right=round(1000 * shares_of.get(skill, 0)),
            last_at=times.get(skill, 0),
            card=card,
        )
    return records


def slot_cycle(given: Any) -> Any:
    if has(given, "questions_in_slot"):
        block = PracticeOptions(curriculum="any").block
        return {
            "should_advance": [block_over(asked, block) for asked in given["questions_in_slot"]]
        }
    if has(given, "slots", "current", "finished"):
        place = following(given["current"], given["finished"], given["slots"])
        if place is None:
            return {"moved": False, "replan": True}
        return {"moved": True, "current": place, "questions_in_slot": 0}
    if not has(given, "slots", "questions", maybe=("complete_at",)):
        raise unknown("slot_cycle", given)
    return {"slot_index_per_question": _order(given)}


def _order(given: Mapping[str, Any]) -> list[int]:
    """Every slot has a skill of its own; the one that completes takes as many right answers as the
    questions of its block until then."""
    count, done = given["slots"], given.get("complete_at")
    of = course(*(f"skill-{n} 2" for n in range(count)), learn=NEVER)
    if done is not None:
        quick = TierRule(problems=done["question_in_block"], accuracy=1)
        skills = [
            one.model_copy(update={"learn": quick}) if n == done["slot"] else one
            for n, one in enumerate(of.skills)
        ]
        of = of.model_copy(update={"skills": tuple(skills)})
    told = lesson(of, slots=count, distinct=count)
    while len(told.given) < given["questions"] - 1:
        told.answer()
    return [event.slot for event in told.of(QuestionServed)]


# --- time ----------------------------------------


def session_timer(given: Any) -> Any:
    if has(given, "shown_at_ms", "submitted_at_ms"):
        return {"time_ms": answer_ms(given["shown_at_ms"], given["submitted_at_ms"])}
    if has(given, "elapsed"):
        return {"text": countdown(given["elapsed"] * 1000, LIMIT_MS)}
    if has(given, "duration", "elapsed"):
        return {"time_expired": time_up(given["elapsed"] * 1000, given["duration"] * 1000)}
    if not has(given, "duration", "elapsed", "question_open", "feedback_open"):
        raise unknown("session_timer", given)
    told = lesson(ONE, minutes=given["duration"] / 60)
    if not given["question_open"]:
        told.answer(proceed=False, after_s=0)
        if not given["feedback_open"]:
            told.tell(CloseFeedback(number=told.practice.served))
    told.at = NOON + round(given["elapsed"] * 1000)
    due = next_deadline(told.state)
    assert due is not None
    told.tell(due[2])
    now = bool(told.of(SessionEnded))
    result: dict[str, Any] = {
        "time_expired": time_up(told.at - NOON, told.practice.limit_ms),
        "ends_now": now,
    }
    if not now:
        told.answer(proceed=False, after_s=0)
        open_after_answer = not told.of(SessionEnded)
        told.close()
        assert open_after_answer
        assert told.end.reason == "time-limit"
        assert due[0] == NOON + ends_at(told.practice.limit_ms, busy=True)
        result["ends_after"] = "feedback"
    return result


# --- memory ----------------------------------------


def error_context(given: Any) -> Any:
    if has(given, "question", "learner", "correct"):
        return {
            "must_contain_in_order": _in_order(
                error_text(given["question"], given["learner"], given["correct"]),
                [given["learner"], given["question"], given["correct"]],
            )
        }
    if has(given, "errors"):
        names = list(given["errors"])
        of = course(*(f"{name} 2" for name in names), learn=NEVER)
        count = max(given["errors"].values()) * len(names)
        told = lesson(of, slots=len(names), block=1)
        left = dict(given["errors"])
        for _ in range(count):
            skill = told.question.skill
            left[skill] -= 1
            told.answer(left[skill] < 0)
        kept = told.practice.asked_of
        return {"kept": {name: len(kept[name].errors) for name in names}}
    if has(given, "answers"):
        told = lesson(SLOW)
        for right in given["answers"]:
            told.answer(right)
        asked = told.practice.asked_of["skill"]
        return {"errors": len(asked.errors), "asked": len(asked.tasks)}
    raise unknown("error_context", given)


def _in_order(text: str, parts: Sequence[str]) -> list[str]:
    """Those of the parts that are found one behind the other."""
    found, place = [], 0
    for part in parts:
        at = text.find(part, place)
        if at >= 0:
            found.append(part)
            place = at + len(part)
    return found


def dedup(given: Any) -> Any:
    if not (has(given, "limit", "prior") or has(given, "limit", "errors")):
        raise unknown("dedup", given)
    kind = "prior" if "prior" in given else "errors"
    kept: tuple[str, ...] = ()
    for number in range(given[kind]):
        kept = newest(kept, str(number), given["limit"])
    limits = {"prior": TEXTS, "errors": ERRORS}
    told = lesson(SLOW)
    for _ in range(given[kind]):
        told.answer(False)
    asked = told.practice.asked_of["skill"]
    assert len(asked.texts if kind == "prior" else asked.errors) == min(given[kind], limits[kind])
    return {"kept_from_index": int(kept[0]), "kept": len(kept)}


# --- fluency ----------------------------------------


def speed(given: Any) -> Any:
    if not has(given, "ms", "limit_secs"):
        raise unknown("speed_score", given)
    return {"score": speed_score(given["ms"], given["limit_secs"])}


def consistent(given: Any) -> Any:
    if not has(given, "streak", "cap"):
        raise unknown("consistency", given)
    return {"score": consistency(given["streak"], given["cap"])}


def fluent(given: Any) -> Any:
    if has(given, "accuracy", "speed_scores", "streak", "cap"):
        score = fluency(given["accuracy"], given["speed_scores"], given["streak"], given["cap"])
        return {"score": score}
    if has(given, "window", "record"):
        kept: tuple[float, ...] = ()
        for score in given["record"]:
            kept = windowed(kept, score, given["window"])
        return {"kept": list(kept), "average": mean_speed(kept)}
    if has(given):
        return {"speed_window": SPEEDS, "streak_cap": STREAK_CAP}
    raise unknown("fluency", given)


# --- summaries ----------------------------------------


def summary(given: Any) -> Any:
    if has(given, "questions", "correct"):
        told = lesson(SLOW)
        for number in range(given["questions"]):
            told.answer(number < given["correct"])
        told.tell(End())
        share = told.sum.accuracy
        assert percent(told.sum.correct, told.sum.answered) == int(100 * share + 0.5 + 1e-9)
        return {"accuracy": share}
    if has(given, "slots"):
        slots = [
            Slot(skill=skill, tier=SkillTier.LEARN, category=Category(category))
            for skill, category in given["slots"]
        ]
        return {"rows": [list(row) for row in planned_rows(slots).items()]}
    if has(given, "attempted"):
        rows = [SkillRow(skill=name, attempted=n) for name, n in given["attempted"].items()]
        return {"rows": [row.skill for row in shown_rows(rows)]}
    raise unknown("summary", given)


# --- questions that cannot be made ----------------------------------------


def generation_retry(given: Any) -> Any:
    if not has(given, "results", maybe=("slots",)):
        raise unknown("generation_retry", given)
    results = given["results"]
    always = results == "always fail"
    count = given.get("slots", 2)
    of = course(*(f"skill-{n} 2" for n in range(count)))
    options = PracticeOptions(curriculum="maths", slots=count, distinct=count)
    told = Lesson()
    told.tell(start(of, (), options))
    first = told.want
    assert first is not None
    tries = 0
    pending = ["fail"] * 100 if always else list(results)
    supplies = []
    while pending and told.want is not None:
        want = told.want
        result = pending.pop(0)
        tries += 1
        supplies.append(made(want) if result == "ok" else failed(want, 1, fatal=result == "fatal"))
        if result != "fail" or len(supplies) == 3:
            told.serve(*supplies)
            supplies = []
    served = bool(told.of(QuestionServed))
    if told.of(SessionEnded):
        return {
            "tries": tries,
            "session_ends": True,
            "message_shown": bool(told.sum.message),
            "progress_saved": told.sum == told.of(PracticeSummed)[-1],
        }
    slot = told.of(QuestionServed)[0].slot if served else told.want and told.want.slot
    return {"question_served": served, "tries": tries, "slot_changed": slot != first.slot}


# --- the graph ----------------------------------------


def graph(given: Any) -> Any:
    if has(given, "id"):
        return {"unlocked": unlocked(ONE, given["id"], ())}
    if not has(given, "prereqs", "mastered"):
        raise unknown("graph", given)
    of = course(*(f"{name} 2" for name in given["prereqs"]), " ".join(["it 3", *given["prereqs"]]))
    return {"unlocked": unlocked(of, "it", given["mastered"])}


ADAPTERS: Final[dict[str, Adapter]] = {
    "consistency": consistent,
    "dedup": dedup,
    "error_context": error_context,
    "fluency": fluent,
    "generation_retry": generation_retry,
    "graph": graph,
    "planner": planner,
    "session_timer": session_timer,
    "slot_cycle": slot_cycle,
    "speed_score": speed,
    "summary": summary,
    "tier_advance": tier_advance,
    "tier_complete": tier_complete,
    "tier_progress": tier_progress,
}
