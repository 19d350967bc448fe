"""Subjects: what a template makes, the filters of its family match, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.messages import subjects
from holodeck.messages.ids import ID_PATTERN, NOBODY, partition_of
from holodeck.messages.subjects import (
    ANY,
    CHECKPOINT,
    REST,
    Place,
    Route,
    all_checkpoints,
    all_tiles,
    learner_filter,
    npc_filter,
    partition_filter,
    place_of,
    writer_filter,
)
from tests.messages.strategies import few, many

ROUTES = {
    name: value for name in subjects.__all__ if isinstance(value := getattr(subjects, name), Route)
}
TOKENS = st.from_regex(ID_PATTERN, fullmatch=True)
P = 64


def matches(pattern: str, subject: str) -> bool:
    """NATS's rule: ``*`` is one token, ``>`` one or more at the end."""
    wanted, given = pattern.split("."), subject.split(".")
    for index, token in enumerate(wanted):
        if token == REST:
            return len(given) > index
        if index >= len(given) or token not in (ANY, given[index]):
            return False
    return len(wanted) == len(given)


def checkpoint(identity: str, npc: str = NOBODY, learner: str = NOBODY) -> str:
    def p(name: str) -> int | str:
        return NOBODY if name == NOBODY else partition_of(name, P)

    return CHECKPOINT.of(
        "hd", "session", p(identity), identity, "turn", p(npc), npc, p(learner), learner
    )


@pytest.mark.parametrize(
    ("pattern", "subject", "yes"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.b", "a.b.c", False),
        (">", "a", True),
        ("*", "a.b", False),
    ],
)
def test_the_matcher_of_these_tests_is_nats_own_rule(pattern: str, subject: str, yes: bool) -> None:
    assert matches(pattern, subject) is yes


@pytest.mark.parametrize("name", ROUTES)
@few
@given(data=st.data())
def test_every_filter_of_a_template_matches_its_subjects(name: str, data: st.DataObject) -> None:
    route = ROUTES[name]
    places = route.template.count("{}")
    tokens = data.draw(st.lists(TOKENS, min_size=places, max_size=places))
    subject = route.of(*tokens)
    assert " " not in subject
    assert ".." not in subject
    assert all(subject.split("."))
    # any tokens may be wildcards
    hidden = data.draw(st.sets(st.integers(0, places - 1)))
    masked = [ANY if index in hidden else token for index, token in enumerate(tokens)]
    assert matches(route.of(*masked), subject)
    # any leading tokens may be given, something must be left over
    for lead in range(1, places):
        assert matches(route.under(*tokens[:lead]), subject)
    # a filter with another token does not match
    wrong = [*tokens[:-1], tokens[-1] + "x"]
    assert not matches(route.of(*wrong), subject)


@many
@given(TOKENS, TOKENS, TOKENS)
def test_a_checkpoint_is_found_by_everyone_it_concerns(
    session: str, npc: str, learner: str
) -> None:
    subject = checkpoint(session, npc, learner)
    p = partition_of(session, P)
    assert matches(all_checkpoints("hd"), subject)
    assert matches(partition_filter("hd", "session", p), subject)
    assert matches(writer_filter("hd", "session", p, session), subject)
    assert matches(npc_filter("hd", partition_of(npc, P)), subject)
    assert matches(learner_filter("hd", partition_of(learner, P)), subject)
    assert place_of(subject) == Place(
        "session",
        str(p),
        session,
        "turn",
        str(partition_of(npc, P)),
        npc,
        str(partition_of(learner, P)),
        learner,
    )


@many
@given(TOKENS, st.integers(0, P - 1))
def test_a_checkpoint_that_concerns_nobody_is_in_no_inbox(session: str, partition: int) -> None:
    subject = checkpoint(session)
    assert not matches(npc_filter("hd", partition), subject)
    assert not matches(learner_filter("hd", partition), subject)
    assert matches(all_checkpoints("hd"), subject)


@many
@given(TOKENS, TOKENS)
def test_a_writers_filter_leaves_all_other_writers_out(one: str, other: str) -> None:
    p = partition_of(one, P)
    found = matches(writer_filter("hd", "session", p, one), checkpoint(other))
    assert found == (one == other)
    assert not matches(writer_filter("hd", "npc", p, one), checkpoint(one))


def test_an_id_that_begins_like_another_is_another_writer() -> None:
    assert not matches(writer_filter("hd", "session", ANY, "sess"), checkpoint("sess_1"))


def test_namespaces_do_not_hear_each_other() -> None:
    subject = checkpoint("sess_1", "marta", "ana")
    assert not matches(all_checkpoints("other"), subject)
    assert not matches(all_tiles("hd"), subject)


@pytest.mark.parametrize(
    "subject",
    ["", "hd.checkpoint", "hd.tile.turn.taken.s", checkpoint("s") + ".more", "a.b.c.d.e.f.g.h.i.j"],
)
def test_what_is_no_checkpoint_subject_has_no_place(subject: str) -> None:
    assert place_of(subject) is None


def test_subjects_on_the_wire_look_like_this_for_ever() -> None:
    assert checkpoint("s1", "marta", "ana") == "hd.checkpoint.session.9.s1.turn.36.marta.5.ana"
    assert subjects.COMMAND.of("hd", 9, "session", "s1") == "hd.cmd.9.session.s1"
    assert subjects.COMMAND_BY_ID.of("hd", "session", "s1") == "hd.cmd.session.s1"
    assert subjects.CTL_SUPERVISOR.of("hd", "start") == "hd.ctl.supervisor.start"
    assert subjects.CTL_HOST.of("hd", "inc_1", "status") == "hd.ctl.host.inc_1.status"
    assert subjects.TILE.of("hd", "turn", "taken", "s1") == "hd.tile.turn.taken.s1"
    assert subjects.DEAD.of("hd", "CHECKPOINTS", "undecodable") == "hd.dead.CHECKPOINTS.undecodable"
