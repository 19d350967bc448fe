"""Words and phrases: equal whatever their dress, found where they stand, never a failure."""

from __future__ import annotations

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holodeck.minds.phrases import (
    BREAK,
    Hit,
    Matcher,
    PhraseError,
    heard,
    keys,
    near,
    one_off,
    plain,
    slots,
    tokens,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Il gatto è sotto il letto", ["il", "gatto", "è", "sotto", "il", "letto"]),
        ("all'albero", ["all'", "albero"]),
        ("all\u2019ALBERO", ["all'", "albero"]),
        ("Dov'è? L' amico", ["dov'", "è", BREAK, "l'", "amico"]),
        ("don't say 'ciao'", ["don't", "say", "ciao"]),
        ("un l'letto", ["un", "l'", "letto"]),
        ("Chamo-me Ana.", ["chamo", "me", "ana"]),
        ("¿Qué tal? ¡Bien!", ["qué", "tal", BREAK, "bien"]),
        ("3,50 euros, 2x", ["3,50", "euros", "2", "x"]),
        ("猫が好き ok", ["猫", "が", "好", "き", "ok"]),
        ("Как дела? Привет", ["как", "дела", BREAK, "привет"]),
        ("नमस्ते दोस्त", ["नमस्ते", "दोस्त"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("... ?! \u200b", []),
        ("", []),
    ],
)
def test_a_text_falls_into_its_words(text: str, found: list[str]) -> None:
    assert keys(text) == found


def test_composed_and_decomposed_letters_are_the_same_word() -> None:
    composed, apart = "café è Łódź", unicodedata.normalize("NFD", "café è Łódź")
    assert composed != apart
    assert keys(composed) == keys(apart)


def test_a_token_keeps_how_it_was_written() -> None:
    assert [token.surface for token in tokens("Me llamo Ana")] == ["Me", "llamo", "Ana"]


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_no_text_is_one_it_fails_on(text: str) -> None:
    found = keys(text)
    assert all(key == unicodedata.normalize("NFC", key) for key in found)
    assert found[:1] != [BREAK]
    assert found[-1:] != [BREAK]
    assert not any(a == b == BREAK for a, b in itertools.pairwise(found))


@given(
    st.lists(
        st.sampled_from(["il", "gatto", "è", "all'", "albero", "don't", "café", "猫", "3"]),
        max_size=12,
    )
)
def test_words_with_blanks_between_come_out_as_they_went_in(words: list[str]) -> None:
    assert keys(" ".join(words)) == words


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("me llamo *", "Hola, me llamo Ana"),
        ("soy|estoy cansado|cansada", "hoy ESTOY cansada"),
        ("* gatto", "il gatto"),
        ("all'|alla|l'albero blu", "e l'albero blu"),
        ("all'albero", "vicino all\u2019albero"),
        ("^ jeg ikke", "Ja. Jeg ikke vet"),
        ("blu $", "il letto blu. Sì"),
        ("¿qué tal?", "Y qué tal estás"),
    ],
)
def test_a_phrase_is_found(phrase: str, text: str) -> None:
    assert heard((phrase,), text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("me llamo *", "me llamo"),
        ("me llamo *", "me llamo. Ana"),
        ("tu", "tutti"),
        ("soy cansado", "soy muy cansado"),
        ("no problema", "no. problema"),
        ("^ jeg ikke", "fordi jeg ikke vet"),
        ("blu $", "blu letto"),
        ("all'albero", "all albero"),
    ],
)
def test_a_phrase_is_not_found_elsewhere(phrase: str, text: str) -> None:
    assert not heard((phrase,), text)


@pytest.mark.parametrize("phrase", ["", "  ", "*", "* *", "a||b", "a|", "^ $", "?!"])
def test_a_phrase_without_a_word_is_refused(phrase: str) -> None:
    with pytest.raises(PhraseError):
        slots(phrase)


def test_a_phrase_of_too_many_ways_is_refused() -> None:
    with pytest.raises(PhraseError, match="ways"):
        slots(" ".join(["a|l'albero"] * 13))


def test_a_hit_says_where_and_which_words_stood_for_any() -> None:
    matcher = Matcher([(7, "me llamo *"), (8, "^ hola")])
    assert matcher.find(keys("Hola me llamo Ana")) == [Hit(8, 0, 1), Hit(7, 1, 4, (3,))]


@given(
    st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3), max_size=8),
    st.lists(st.sampled_from(["a", "b", "c", "d", BREAK]), max_size=12),
)
def test_the_index_finds_what_looking_everywhere_finds(
    phrases: list[list[str]], words: list[str]
) -> None:
    matcher = Matcher((tag, " ".join(phrase)) for tag, phrase in enumerate(phrases))
    found = {(hit.tag, hit.start, hit.stop) for hit in matcher.find(words)}
    assert found == {
        (tag, at, at + len(phrase))
        for tag, phrase in enumerate(phrases)
        for at in range(len(words))
        if words[at : at + len(phrase)] == phrase
    }


@given(st.text("abc", min_size=1, max_size=6), st.text("abc", min_size=1, max_size=6))
def test_words_one_letter_apart_share_a_rest(one: str, other: str) -> None:
    assert one_off(one, other) == one_off(other, one)
    if one_off(one, other):
        assert near(one) & near(other)


@pytest.mark.parametrize(
    ("one", "other", "close"),
    [
        ("scatola", "scaotla", True),
        ("vicino", "vincino", True),
        ("giallo", "giollo", True),
        ("letto", "leto", True),
        ("letto", "letto", False),
        ("cane", "carino", False),
        ("abc", "cba", False),
    ],
)
def test_one_letter_more_less_other_or_exchanged(one: str, other: str, close: bool) -> None:
    assert one_off(one, other) is close


def test_accents_can_be_left_away() -> None:
    assert [plain(word) for word in ("è", "mañana", "øy", "łódź")] == ["e", "manana", "oy", "lodz"]
