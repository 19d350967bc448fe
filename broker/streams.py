"""Streams and buckets as data.

One law: what a stream has to look like stands here and nowhere else; it is declared idempotently,
and a stream that looks different is reported, never changed behind its owner's back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

GIB: Final = 1024**3


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream.

    Attributes:
        max_bytes: limit in bytes; at the limit new messages are refused (never old ones dropped).
        max_age_s: seconds until a message goes by itself; 0 keeps it.
    """

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    max_age_s: float = 0.0
    replicas: int = 1
    storage: Literal["file", "memory"] = "file"


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """One key-value bucket, kept in the stream ``KV_<name>``; one value per key."""

    name: str
    max_bytes: int
    replicas: int = 1
    storage: Literal["file", "memory"] = "file"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A setting of an existing stream that is not as declared."""

    stream: str
    setting: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f"{self.stream}: {self.setting} is {self.actual}, should be {self.expected}"


@dataclass(frozen=True, slots=True)
class Layout:
    """All streams and buckets of one namespace.

    The default namespace has plain names (``CHECKPOINTS``); another one puts itself in front
    (``acme_CHECKPOINTS``), because stream names are shared within an account.
    """

    ns: str
    checkpoints: StreamSpec
    tiles: StreamSpec
    dead: StreamSpec
    rooms: StreamSpec
    live: BucketSpec
    archive: BucketSpec
    actors: BucketSpec
    cluster: BucketSpec

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        return (self.checkpoints, self.tiles, self.dead, self.rooms)

    @property
    def buckets(self) -> tuple[BucketSpec, ...]:
        return (self.live, self.archive, self.actors, self.cluster)


def layout(
    ns: str = "holodeck",
    *,
    max_bytes: int = 20 * GIB,
    replicas: int = 1,
    storage: Literal["file", "memory"] = "file",
) -> Layout:
    """The streams of a namespace, together at most ``max_bytes``.

    The shares: half for the journal, a fifth for tiles, the rest for snapshots, archive, what
    others put into rooms, and dead letters.
    """
    front = "" if ns == "holodeck" else f"{ns}_"

    def stream(name: str, subject: str, share: float) -> StreamSpec:
        return StreamSpec(
            f"{front}{name}",
            (f"{ns}.{subject}.>",),
            int(max_bytes * share),
            replicas=replicas,
            storage=storage,
        )

    def bucket(name: str, share: float) -> BucketSpec:
        return BucketSpec(f"{front}{name}", int(max_bytes * share), replicas, storage)

    return Layout(
        ns,
        checkpoints=stream("CHECKPOINTS", "checkpoint", 0.5),
        tiles=stream("TILES", "tile", 0.21),
        dead=stream("DEAD", "dead", 0.01),
        rooms=stream("ROOMS", "room", 0.04),
        live=bucket("live", 0.08),
        archive=bucket("archive", 0.1),
        actors=bucket("actors", 0.05),
        cluster=bucket("cluster", 0.01),
    )
