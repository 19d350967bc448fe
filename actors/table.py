"""What the cluster agrees on: the deployment and the partition table, in the bucket ``cluster``.

One law: the table is one key, changed by compare-and-set only, and it names incarnations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holodeck.broker.port import Bucket, Entry
from holodeck.messages.codec import pack, unpack
from holodeck.messages.errors import LostFence

DEPLOYMENT: Final = "deployment"
TABLE: Final = "table"
LEASES: Final = "lease.*"
ERASURES: Final = "erase.*"
"""Learners who were erased or are to be: ``erase.<learner>``."""
HOLDS: Final = "projection.*"
"""What each projection still has to read: ``projection.<name>``; it stays when that is gone."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Fixed when the namespace is first used.

    Attributes:
        partitions: 1 to 1024.
    """

    partitions: int


@dataclass(frozen=True, slots=True)
class Table:
    """Who owns which partition.

    Attributes:
        epoch: the revision of the key, rising with every change.
        owners: incarnation by partition; empty text where nobody does.
        server: the run of the broker's server whose store was last looked at.
        end: where its journal ended then, before anybody appended to it.
    """

    epoch: int
    owners: tuple[str, ...]
    server: str
    end: int = 0

    def of(self, incarnation: str) -> set[int]:
        """The partitions an incarnation owns."""
        return {p for p, owner in enumerate(self.owners) if owner == incarnation}


async def deployment(cluster: Bucket, wanted: int) -> Deployment:
    """The deployment's constants; the first to ask creates it with ``wanted`` partitions."""
    while True:
        entry = await cluster.get(DEPLOYMENT)
        if entry is not None:
            return Deployment(int(unpack(entry.data)["partitions"]))
        try:
            await cluster.put(DEPLOYMENT, pack({"partitions": wanted}), after=0)
        except LostFence:
            continue


async def known_deployment(cluster: Bucket) -> Deployment | None:
    """The deployment's constants; None if nothing was ever started here."""
    entry = await cluster.get(DEPLOYMENT)
    return None if entry is None else Deployment(int(unpack(entry.data)["partitions"]))


async def read_table(cluster: Bucket, partitions: int) -> Table:
    """The table as it stands; nobody owns anything before it was first written."""
    entry = await cluster.get(TABLE)
    return Table(0, ("",) * partitions, "") if entry is None else table_of(entry)


def table_of(entry: Entry) -> Table:
    """The table as one value of its key has it."""
    raw = unpack(entry.data)
    return Table(entry.revision, tuple(raw["owners"]), raw["server"], raw.get("end", 0))


async def write_table(
    cluster: Bucket, old: Table, owners: tuple[str, ...], server: str, end: int
) -> Table:
    """A new table in place of ``old``.

    Raises:
        LostFence: somebody else changed it since ``old`` was read.
    """
    data = pack({"owners": list(owners), "server": server, "end": end})
    return Table(await cluster.put(TABLE, data, after=old.epoch), owners, server, end)


def erasure_key(learner: str) -> str:
    return f"erase.{learner}"


def erasure_of(key: str) -> str:
    """The learner of an :func:`erasure_key`."""
    return key.partition(".")[2]


def hold_key(projection: str) -> str:
    return f"projection.{projection}"


def projection_of(key: str) -> str:
    """The projection of a :func:`hold_key`."""
    return key.partition(".")[2]
