"""The gateway as the settings say.

One law: settings are read here, once, and handed down as what they mean.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from holodeck.broker.port import Broker
from holodeck.config import Settings
from holodeck.deck import Deck
from holodeck.entrypoints.gateway.access import token_key
from holodeck.entrypoints.gateway.api import Gateway
from holodeck.entrypoints.gateway.safety import Care
from holodeck.entrypoints.gateway.shelf import Shelf
from holodeck.minds.curricula import CurriculumLibrary
from holodeck.minds.personas import Library
from holodeck.minds.worlds import WorldLibrary
from holodeck.wiring import (
    curriculum_folders,
    layout_of,
    library_of,
    resources_of,
    safety_of,
    world_folders,
)


def key_of(settings: Settings) -> bytes:
    """What tokens are signed with; made at the first start.

    Raises:
        StartupError: it cannot be read or kept.
    """
    given = settings.token_key.get_secret_value() if settings.token_key else ""
    return token_key(settings.state_path, given)


def gateway_of(
    settings: Settings,
    deck: Callable[[], Deck],
    connect: Callable[[], Awaitable[Broker]],
) -> Gateway:
    """The gateway before a runtime.

    Args:
        deck, connect: as :class:`~holodeck.entrypoints.gateway.api.Gateway` takes them.

    Raises:
        StartupError: the key cannot be kept, or the crisis resources cannot be used.
    """

    def curricula() -> CurriculumLibrary:
        return CurriculumLibrary([folder.expanduser() for folder in curriculum_folders(settings)])

    def worlds(personas: Library) -> WorldLibrary:
        folders = [folder.expanduser() for folder in world_folders(settings)]
        return WorldLibrary(folders, personas=personas)

    token = settings.http_token.get_secret_value() if settings.http_token else ""
    safety = safety_of(settings)
    return Gateway(
        deck,
        connect,
        layout_of(settings),
        key=key_of(settings),
        token=token,
        required=bool(token) or settings.http_auth == "required",
        rate=settings.http_rate,
        care=Care(None if safety is None else safety.look, resources_of(settings)),
        shelf=Shelf(lambda: library_of(settings), curricula, worlds),
        folder=settings.state_path,
    )
