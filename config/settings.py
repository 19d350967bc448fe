"""Every setting, once: its name, unit, bounds and default.

One law: settings are read in the composition root, once, at start, and handed down as parameters;
a wrong one stops the start with its own name. The environment variable of a field is
``HOLODECK_`` and the field's name in capitals, except ``HOLODECK_KEEP`` for ``keep_days``.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from holodeck.messages.errors import SettingsError

PREFIX: Final = "HOLODECK_"
ALIASES: Final = {"keep_days": "HOLODECK_KEEP"}
"""Fields whose variable is not named after them."""
ELSEWHERE: Final = frozenset({"HOLODECK_NATS_SERVER"})
"""Variables that are no settings of a deployment and are read where they matter: which nats-server
program to run."""

GIB: Final = 1024**3
_DAY_S: Final = 86_400

Namespace = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
"""Stands in front of every subject, so it is a single NATS token: 1 to 32 characters."""
NatsUrl = Annotated[str, StringConstraints(pattern=r"^(nats|tls|ws|wss)://[^\s/@]+/?$")]
"""One server as ``nats://host:port`` (or ``tls://``, ``ws://``, ``wss://``), without credentials:
a URL is shown in logs and tables."""
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$")]
"""A server as ``http://host:port`` or ``https://…``, a path may follow; without credentials."""
RedisUrl = Annotated[
    str, StringConstraints(pattern=r"^(rediss?://[^\s/@?#]+(/[0-9]{0,4})?|unix:///[^\s@?#]+)$")
]
"""A Redis server as ``redis://host:port/db``, ``rediss://…`` or ``unix:///path``; without
credentials."""
BoltUrl = Annotated[str, StringConstraints(pattern=r"^(bolt|neo4j)(\+s|\+ssc)?://[^\s/@?#]+/?$")]
"""A Neo4j server as ``bolt://host:port``, ``neo4j://…`` or those with ``+s``; without
credentials."""
LogLevel = Literal["debug", "info", "warning", "error"]

_FORMS: Final = {
    "namespace": "must be 1 to 32 of A-Z a-z 0-9 _ -, beginning with a letter or digit",
    "nats_url": "must be like nats://host:port; who you are goes into HOLODECK_NATS_USER and "
    "HOLODECK_NATS_PASSWORD, HOLODECK_NATS_TOKEN or HOLODECK_NATS_CREDS",
    "plato_url": "must be like http://host:port; a token goes into HOLODECK_PLATO_TOKEN",
    "plato_room": "must not be blank",
    "redis_url": "must be like redis://host:port/0; who you are goes into HOLODECK_REDIS_USER and "
    "HOLODECK_REDIS_PASSWORD",
    "neo4j_url": "must be like bolt://host:port; who you are goes into HOLODECK_NEO4J_USER and "
    "HOLODECK_NEO4J_PASSWORD",
    "model_url": "must be like http://host:port/v1; a key goes into HOLODECK_MODEL_KEY",
    "embedding_url": "must be like http://host:port/v1; a key goes into HOLODECK_EMBEDDING_KEY",
}
"""What the patterns say, for people."""


def default_state_dir() -> Path:
    """Where the embedded server keeps its store unless told otherwise.

    ``$XDG_STATE_HOME/holodeck``, which is ``~/.local/state/holodeck`` on most machines: it
    survives a reboot and belongs to the user, not to the folder the program was started in.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "holodeck"


class Settings(BaseSettings):
    """What a deployment can be told; frozen once read. Secrets never show in a ``repr``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    # --- the broker -----------------------------------------------------------------------------

    namespace: Namespace = "holodeck"
    """First token of every subject; one per tenant. 1 to 32 of A-Z a-z 0-9 _ -."""
    nats_url: NatsUrl | None = None
    """The NATS server to use; unset, an embedded one is started on loopback."""
    nats_user: str | None = Field(default=None, min_length=1)
    """User at the NATS server; goes with ``nats_password``."""
    nats_password: SecretStr | None = Field(default=None, min_length=1)
    """Password of ``nats_user``."""
    nats_token: SecretStr | None = Field(default=None, min_length=1)
    """Token for the NATS server, in place of user and password."""
    nats_creds: Path | None = None
    """Credentials file for the NATS server, in place of user and password."""
    replicas: int = Field(default=1, ge=1, le=5)
    """Copies of each stream in a NATS cluster, 1 to 5; odd numbers are worth their price."""
    sync: Literal["default", "always"] = "default"
    """When the embedded server syncs to disk. ``default``: every 2 minutes, so a killed process
    loses nothing but a power cut may lose acknowledged commands. ``always``: before each
    acknowledgement, at about a tenth of the speed."""

    # --- the store ------------------------------------------------------------------------------

    state_dir: Path = Field(default_factory=default_state_dir)
    """Folder of the embedded server's store and the logs; ``~`` is the home folder. Default:
    ``holodeck`` in ``$XDG_STATE_HOME``, or else in ``~/.local/state``."""
    max_bytes: int = Field(default=20 * GIB, ge=64 * 1024**2)
    """Limit of all streams together, in bytes, at least 64 MiB. A smaller disk lowers it."""
    keep_days: float = Field(
        default=90.0, gt=0, le=36_500, allow_inf_nan=False, validation_alias=ALIASES["keep_days"]
    )
    """Days (parts of days too) until an ended session moves from the journal to the archive."""
    abandon_s: float = Field(default=604_800.0, ge=0, le=365 * 86_400, allow_inf_nan=False)
    """Seconds without a client's command after which a conversation or practice session whose
    start does not say otherwise ends as abandoned, active or paused; 0 never."""
    tile_max_age_days: float = Field(default=30.0, gt=0, le=36_500, allow_inf_nan=False)
    """Days until a tile leaves the tile stream."""

    # --- the cluster ----------------------------------------------------------------------------

    ray_address: str | None = Field(default=None, min_length=1)
    """The Ray cluster to join, as ``host:port``, ``ray://…`` or ``auto``; unset, a local one is
    started."""
    hosts: int = Field(default=2, ge=1, le=1024)
    """How many host processes carry the sessions, 1 to 1024."""
    partitions: int = Field(default=64, ge=1, le=1024)
    """Into how many parts ids are divided, 1 to 1024; the unit that moves between hosts. Fixed
    for good when a deployment is created."""
    lease_s: float = Field(default=2.0, ge=0.2, le=60, allow_inf_nan=False)
    """Seconds a host may answer after its last renewal was sent."""
    lease_renew_s: float = Field(default=0.5, ge=0.05, le=20, allow_inf_nan=False)
    """Seconds between renewals; at most half of ``lease_s``."""
    max_sessions_per_host: int = Field(default=100_000, ge=1)
    """Live sessions one host takes before new starts are refused."""

    # --- the actors -----------------------------------------------------------------------------

    mailbox: int = Field(default=256, ge=1, le=65_536)
    """Commands that may wait at one actor, 1 to 65536; beyond it the sender gets ``busy``."""
    idle_sleep_s: float = Field(default=300.0, gt=0, le=30 * _DAY_S, allow_inf_nan=False)
    """Seconds without a command until an actor is snapshotted and dropped from memory."""
    mid_window_s: float = Field(default=300.0, ge=1, le=86_400, allow_inf_nan=False)
    """Seconds for which the fleet gathers what sessions show before it is put together."""
    flush_s: float = Field(default=60.0, gt=0, le=3600, allow_inf_nan=False)
    """Seconds between snapshots of what has changed; fewer where very much is written."""

    # --- the PLATO server that tiles go to -------------------------------------------------------

    plato_url: HttpUrl | None = None
    """The PLATO server that gets every tile; unset, none does. Tiles are posted to
    ``<plato_url>/submit``."""
    plato_room: str = Field(
        default="scout-reports/holodeck-session", min_length=1, max_length=200, pattern=r"\S"
    )
    """The room there of tiles that name none of their own, 1 to 200 characters."""
    plato_token: SecretStr | None = Field(default=None, min_length=1)
    """What is shown to the PLATO server, as ``Authorization: Bearer``."""

    # --- the stores that sessions are projected into ----------------------------------------------

    redis_url: RedisUrl | None = None
    """The Redis server (6.2 or later) that gets sessions and players' progress, as
    ``redis://host:port/db``, ``rediss://…`` or ``unix:///path``; unset, none does."""
    redis_user: str | None = Field(default=None, min_length=1)
    """User at the Redis server; goes with ``redis_password``."""
    redis_password: SecretStr | None = Field(default=None, min_length=1)
    """Password at the Redis server."""
    redis_session_prefix: str = Field(default="tta:session:", min_length=1, max_length=200)
    """What a session's key begins with; its id follows."""
    redis_player_prefix: str = Field(default="player:", min_length=1, max_length=200)
    """What the key of a player's progress begins with; ``<id>:progress`` follows."""
    redis_ttl_s: float = Field(default=3600.0, ge=1, le=365 * _DAY_S, allow_inf_nan=False)
    """Seconds a session stays in Redis after its last checkpoint."""
    graph: Literal["none", "embedded", "neo4j"] = "none"
    """Where the property graph lies: nowhere, in a file of this machine, or in a Neo4j server."""
    graph_path: Path | None = None
    """The embedded graph's file; unset, ``graph/holodeck.lbug`` of the state folder."""
    neo4j_url: BoltUrl | None = None
    """The Neo4j server (5 or later), as ``bolt://host:port``, ``neo4j://…`` or with ``+s``."""
    neo4j_user: str | None = Field(default=None, min_length=1)
    """User at the Neo4j server; goes with ``neo4j_password``."""
    neo4j_password: SecretStr | None = Field(default=None, min_length=1)
    """Password of ``neo4j_user``."""

    # --- what thinks ----------------------------------------------------------------------------

    model_url: HttpUrl | None = None
    """The OpenAI-compatible server whose model answers for NPCs, with its version, such as
    ``http://127.0.0.1:8000/v1``; unset, sessions that ask for a model get the offline mind."""
    model_key: SecretStr | None = Field(default=None, min_length=1)
    """What is shown to the model's server as bearer token."""
    model_name: str | None = Field(default=None, min_length=1, max_length=200)
    """The model there; goes with ``model_url``."""
    model_timeout_s: float = Field(default=20.0, ge=0.1, le=600, allow_inf_nan=False)
    """Seconds until the first piece of an answer, and from each to the next; a whole answer has
    three times as long."""
    model_retries: int = Field(default=2, ge=0, le=10)
    """How often a request that failed before its first piece is repeated, 0 to 10."""
    model_budget_tokens: int = Field(default=60_000, ge=0, le=10**9)
    """Tokens one session may take, questions and answers together; after that the offline mind
    answers. 0: no bound."""
    embedding_url: HttpUrl | None = None
    """An OpenAI-compatible server for embeddings; unset, ``model_url`` is it."""
    embedding_key: SecretStr | None = Field(default=None, min_length=1)
    """What is shown to ``embedding_url`` as bearer token."""
    embedding_name: str | None = Field(default=None, min_length=1, max_length=200)
    """The embedding model memories are recalled by; unset, they are by their spelling."""
    personas: Path | None = None
    """Folder of personas (``*.yaml``) beside those that come with the program."""
    curricula: Path | None = None
    """Folder of curricula (``*.yaml``) beside those that come with the program."""
    worlds: Path | None = None
    """Folder of worlds (``*.yaml``) beside those that come with the program."""
    safety: Literal["keyword", "none"] = "keyword"
    """Who looks at what players write for words of distress: the phrases of the program, or
    nobody."""
    resources: Path | None = None
    """A YAML file of crisis resources in place of those that come with the program."""

    # --- the HTTP door --------------------------------------------------------------------------

    http_host: str = Field(default="127.0.0.1", min_length=1)
    """Address of the HTTP door. Another one than loopback needs ``http_token``."""
    http_port: int = Field(default=8900, ge=0, le=65_535)
    """Port of the HTTP door; 0 takes a free one."""
    http_token: SecretStr | None = Field(default=None, min_length=16)
    """What clients of the HTTP door must show; at least 16 characters."""
    http_auth: Literal["auto", "required"] = "auto"
    """Who has to show a token at the HTTP door. ``auto``: everybody beyond loopback and where
    ``http_token`` is set; else who sends none is the user of this machine and may do everything.
    ``required``: everybody."""
    http_rate: int = Field(default=6000, ge=0, le=1_000_000)
    """Calls a minute at the HTTP door, for each token and for each address without one; 0: any
    number."""
    token_key: SecretStr | None = Field(default=None, min_length=32)
    """What tokens are signed with, at least 32 characters; unset, a key is made at the first start
    and kept in ``token.key`` of the state folder."""
    plato_port: int | None = Field(default=None, ge=0, le=65_535)
    """A port of their own for the PLATO rooms, which are also below ``/plato`` of the HTTP door;
    unset, none is opened; 0 takes a free one."""
    h1_port: int | None = Field(default=None, ge=0, le=65_535)
    """A port of its own for the H1 router, which is also below ``/h1`` of the HTTP door; as
    ``plato_port``."""

    # --- the logs -------------------------------------------------------------------------------

    log_level: LogLevel = "info"
    """The least that is logged: debug, info, warning or error."""
    log_json: bool = False
    """One JSON object a line in place of text for people."""

    @model_validator(mode="before")
    @classmethod
    def _as_people_write_it(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("log_level"), str):
            return given | {"log_level": given["log_level"].lower()}
        return given

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.lease_renew_s * 2 > self.lease_s:
            raise _Conflict(
                "lease_renew_s", f"at most half of HOLODECK_LEASE_S, which is {self.lease_s:g}"
            )
        if (self.nats_user is None) != (self.nats_password is None):
            absent = "nats_user" if self.nats_user is None else "nats_password"
            raise _Conflict(absent, "user and password go together, and this one is not set")
        ways = [name for name in ("nats_user", "nats_token", "nats_creds") if getattr(self, name)]
        if len(ways) > 1:
            raise _Conflict(
                ways[-1], f"{variable_of(ways[0])} is set too; say who you are in one way"
            )
        if self.nats_url is None and ways:
            raise _Conflict(
                ways[0], "the embedded server has its own credentials; set HOLODECK_NATS_URL too"
            )
        if self.nats_creds is not None and not self.nats_creds.expanduser().is_file():
            raise _Conflict("nats_creds", f"there is no file {self.nats_creds}")
        if self.plato_token is not None and self.plato_url is None:
            raise _Conflict("plato_token", "HOLODECK_PLATO_URL is not set, so nobody is shown it")
        if self.redis_password is not None and self.redis_url is None:
            raise _Conflict(
                "redis_password", "HOLODECK_REDIS_URL is not set, so nobody is shown it"
            )
        if self.redis_user is not None and self.redis_password is None:
            raise _Conflict("redis_password", "user and password go together; this one is not set")
        if self.graph == "neo4j" and self.neo4j_url is None:
            raise _Conflict("neo4j_url", "HOLODECK_GRAPH is neo4j, so this has to be set")
        if (self.neo4j_user is None) != (self.neo4j_password is None):
            absent = "neo4j_user" if self.neo4j_user is None else "neo4j_password"
            raise _Conflict(absent, "user and password go together, and this one is not set")
        if (self.model_url is None) != (self.model_name is None):
            absent = "model_url" if self.model_url is None else "model_name"
            raise _Conflict(absent, "server and model go together, and this one is not set")
        if self.model_key is not None and self.model_url is None:
            raise _Conflict("model_key", "HOLODECK_MODEL_URL is not set, so nobody is shown it")
        if self.embedding_url is not None and self.embedding_name is None:
            raise _Conflict("embedding_name", "HOLODECK_EMBEDDING_URL is set, so this has to be")
        if self.embedding_key is not None and self.embedding_url is None:
            raise _Conflict(
                "embedding_key", "HOLODECK_EMBEDDING_URL is not set, so nobody is shown it"
            )
        if self.embedding_name is not None and not (self.embedding_url or self.model_url):
            raise _Conflict("embedding_url", "an embedding model is named, and no server is set")
        for name in ("personas", "curricula", "worlds"):
            folder: Path | None = getattr(self, name)
            if folder is not None and not folder.expanduser().is_dir():
                raise _Conflict(name, f"there is no folder {folder}")
        if self.resources is not None and not self.resources.expanduser().is_file():
            raise _Conflict("resources", f"there is no file {self.resources}")
        if self.http_token is None and not is_loopback(self.http_host):
            raise _Conflict(
                "http_token",
                f"required because HOLODECK_HTTP_HOST is {self.http_host}, which others can reach; "
                "set it, or stay on 127.0.0.1",
            )
        return self

    @property
    def state_path(self) -> Path:
        """:attr:`state_dir`, absolute."""
        return self.state_dir.expanduser().absolute()


def variable_of(field: str) -> str:
    """The environment variable of a field: ``HOLODECK_PARTITIONS`` for ``partitions``."""
    return ALIASES.get(field, PREFIX + field.upper())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``. A name other than localhost counts as open."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process: ``overrides`` first, then the environment, then defaults.

    An override of None counts as not given, so that command line options can be handed through.

    Raises:
        SettingsError: a value is out of its bounds or does not go with another; names the
            variable. Of several wrong ones, the first.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    for name in given:
        if name not in Settings.model_fields:
            raise SettingsError(variable_of(name), "there is no such setting" + _meant(name))
    try:
        return Settings(**given)
    except ValidationError as error:
        raise _settings_error(error.errors(include_url=False)[0]) from None


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """One warning for each ``HOLODECK_*`` variable that sets nothing, with what was meant."""
    known = {variable_of(field) for field in Settings.model_fields} | ELSEWHERE
    present = os.environ if environ is None else environ
    return [
        f"{name} is no setting and has no effect" + _meant(name)
        for name in sorted(present)
        if name.upper().startswith(PREFIX) and name.upper() not in known
    ]


class _Conflict(ValueError):
    """A setting that is fine by itself and wrong beside another."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field, self.problem = field, problem


def _meant(name: str) -> str:
    known = {variable_of(field).removeprefix(PREFIX): field for field in Settings.model_fields}
    close = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1, cutoff=0.7)
    return f"; did you mean {PREFIX}{close[0]}?" if close else ""


def _settings_error(details: ErrorDetails) -> SettingsError:
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, _Conflict):
        return SettingsError(variable_of(cause.field), cause.problem)
    where = str(details["loc"][0])
    field = next(name for name in Settings.model_fields if where in (name, variable_of(name)))
    if details["type"] == "string_pattern_mismatch":
        problem = _FORMS[field]
    else:
        problem = details["msg"].replace("Input should", "must").replace("Value should", "must")
    value = details["input"]
    secret = "SecretStr" in str(Settings.model_fields[field].annotation) or "@" in str(value)
    if not secret and isinstance(value, str | int | float):
        shown = repr(value)
        problem += f"; it is {shown if len(shown) <= 80 else shown[:77] + '...'}"
    return SettingsError(variable_of(field), problem)
