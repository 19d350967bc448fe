"""What a host thinks with, put together from plain values.

One law: whatever needs a model has something offline behind it, so every kind of mind a session
may ask for is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from holodeck.messages.curriculum import Curriculum, Skill
from holodeck.messages.practice import GeneratorKind, SkillTier, Supply
from holodeck.messages.session import MindKind
from holodeck.messages.talk import AnalysisKind
from holodeck.minds.analysis import OfflineAnalyst
from holodeck.minds.curricula import CurriculumLibrary
from holodeck.minds.embedding import HashedNgrams, ServerEmbedder
from holodeck.minds.model import Budget, ModelAnalyst, ModelMind, ModelRefractor
from holodeck.minds.model_questions import ModelQuestions
from holodeck.minds.narrator import ThreadNarrator
from holodeck.minds.personas import Library
from holodeck.minds.port import Analyst, Embedder, Faculties, Mind, Questions, Refractor
from holodeck.minds.questions import generate
from holodeck.minds.recall import Remembrance
from holodeck.minds.safety import KeywordSafety, load_resources
from holodeck.minds.scripted import ScriptedMind
from holodeck.minds.server import ModelServer
from holodeck.minds.worlds import WorldLibrary


class OfflineQuestions:
    """The families of the program, as a host asks for questions."""

    def generate(
        self,
        skill: Skill,
        tier: SkillTier,
        seed: str,
        avoid: frozenset[str],
        errors: Sequence[str] = (),
        prior: Sequence[str] = (),
        *,
        curriculum: Curriculum | None = None,
    ) -> Supply:
        return generate(skill, tier, seed, avoid, errors, prior)


def minds_of(
    *,
    model_url: str | None = None,
    model_key: SecretStr | None = None,
    model_name: str | None = None,
    model_timeout_s: float = 20.0,
    model_retries: int = 2,
    model_budget_tokens: int = 60_000,
    embedding_url: str | None = None,
    embedding_key: SecretStr | None = None,
    embedding_name: str | None = None,
    personas: Sequence[Path] = (),
    curricula: Sequence[Path] = (),
    worlds: Sequence[Path] = (),
    safety: Literal["keyword", "none"] = "keyword",
    resources: Path | None = None,
) -> Faculties:
    """The faculties of one host.

    Without ``model_url`` and ``model_name`` the offline ones stand in for the model too: sessions
    that ask for one go on, and each reply names its source.

    Args:
        model_budget_tokens: of one session, questions and answers together; 0: no bound.
        embedding_url: where ``embedding_name`` is asked for; None: at ``model_url``.
        personas, curricula, worlds: folders of them beside the packaged ones.
        safety: who looks at what players write; resources: a file of whom they can turn to, in
            place of the packaged one.

    Raises:
        PersonaError, CurriculumError, WorldError: one of them cannot be used.
        StartupError: a server is set and the client library is not installed; the crisis
            resources cannot be used.
    """
    offline = ScriptedMind()
    spelling = OfflineAnalyst()
    mind: Mind = offline
    refractor: Refractor = offline
    analyst: Analyst = spelling
    embedder: Embedder = HashedNgrams()
    families = OfflineQuestions()
    questions: Questions = families
    server = None
    servers: list[ModelServer] = []
    if model_url is not None:
        server = ModelServer(model_url, model_key, model_timeout_s, model_retries)
        servers.append(server)
    if server is not None and model_name is not None:
        budget = Budget(model_budget_tokens)
        mind = ModelMind(server, model_name, fallback=offline, budget=budget)
        refractor = ModelRefractor(server, model_name, fallback=offline, budget=budget)
        analyst = ModelAnalyst(server, model_name, fallback=spelling)
        questions = ModelQuestions(server, generate, model=model_name)
    if embedding_name is not None:
        if embedding_url is not None:
            server = ModelServer(embedding_url, embedding_key, model_timeout_s, model_retries)
            servers.append(server)
        if server is not None:
            embedder = ServerEmbedder(server, embedding_name)
    helpers = load_resources(resources)
    library = Library([folder.expanduser() for folder in personas])
    return Faculties(
        minds={MindKind.SCRIPTED: offline, MindKind.MODEL: mind},
        refractors={MindKind.SCRIPTED: offline, MindKind.MODEL: refractor},
        analysts={AnalysisKind.OFFLINE: spelling, AnalysisKind.MODEL: analyst},
        library=library,
        worlds=WorldLibrary([folder.expanduser() for folder in worlds], personas=library),
        recall=Remembrance(embedder),
        curricula=CurriculumLibrary([folder.expanduser() for folder in curricula]),
        questions={GeneratorKind.OFFLINE: families, GeneratorKind.MODEL: questions},
        safety=KeywordSafety(helpers) if safety == "keyword" else None,
        resources=helpers,
        narrator=ThreadNarrator(),
        closers=tuple(one.close for one in servers),
    )
