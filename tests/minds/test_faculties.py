"""What a host thinks with: every kind a session may ask for is there, with a model or without."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from holodeck.messages.session import MindKind
from holodeck.messages.talk import AnalysisKind
from holodeck.minds import minds_of
from holodeck.minds.model import ModelAnalyst, ModelMind, ModelRefractor
from tests.minds.model_server import ModelStage, embeds, says
from tests.minds.worlds import prompt


def test_without_a_model_the_offline_ones_stand_in_for_it() -> None:
    found = minds_of()

    assert found.minds[MindKind.MODEL] is found.minds[MindKind.SCRIPTED]
    assert found.refractors[MindKind.MODEL] is found.refractors[MindKind.SCRIPTED]
    assert found.analysts[AnalysisKind.MODEL] is found.analysts[AnalysisKind.OFFLINE]
    assert found.library is not None
    assert found.library.names()


def test_with_a_model_each_of_the_three_asks_it() -> None:
    found = minds_of(model_url="http://127.0.0.1:9/v1", model_name="small")

    assert isinstance(found.minds[MindKind.MODEL], ModelMind)
    assert isinstance(found.refractors[MindKind.MODEL], ModelRefractor)
    assert isinstance(found.analysts[AnalysisKind.MODEL], ModelAnalyst)
    assert MindKind.NONE not in found.minds


async def test_the_embedding_server_is_shown_its_own_key() -> None:
    async with (
        ModelStage(says("Hola.")) as talk,
        ModelStage(embeds(lambda text: [float(len(text)), 1.0])) as vectors,
    ):
        found = minds_of(
            model_url=talk.url,
            model_key=SecretStr("sk-talk"),
            model_name="small",
            embedding_url=vectors.url,
            embedding_key=SecretStr("sk-vectors"),
            embedding_name="near",
        )
        assert (await found.minds[MindKind.MODEL].reply(prompt())).source == "small"
        assert found.recall is not None
        assert await found.recall.nearest("ab", ["a", "ab", "abcdefgh"], 1) == [1]
        await found.close()

    assert talk.asked[0].headers["authorization"] == "Bearer sk-talk"
    assert vectors.asked[0].headers["authorization"] == "Bearer sk-vectors"


def test_a_folder_of_personas_is_added_to_the_packaged_ones(tmp_path: Path) -> None:
    packaged = minds_of().library
    assert packaged is not None

    found = minds_of(personas=(tmp_path,)).library

    assert found is not None
    assert found.names() == packaged.names()
