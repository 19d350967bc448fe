"""The graph in a Neo4j server, over Bolt; the only file that imports ``neo4j``.

One law: what this projection made carries its mark, and only what carries it is ever removed; a
node that was there before is shared, and keeps what it had.

Needs Neo4j 5 or later. The mark is the property ``_holodeck`` with the namespace in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, LiteralString, TypeVar

from neo4j import AsyncDriver, AsyncGraphDatabase, AsyncManagedTransaction
from neo4j.exceptions import ClientError, DriverError, Neo4jError

from holodeck.actors.projections.port import (
    LABELS,
    OWNED,
    RELATIONS,
    Changes,
    Graph,
    Overtaken,
    Props,
    Standing,
    StoreDown,
    key_of,
)

MARK: Final = "_holodeck"
_OWN: Final = "HolodeckProjection"
_CHUNK: Final = 2000
_TIMEOUT_S: Final = 10.0

T = TypeVar("T")
Rows = list[dict[str, Any]]


class Neo4jGraph:
    """A property graph in one database of a Neo4j server.

    Args:
        url: ``bolt://host:port``, ``neo4j://…`` or those with ``+s``, without credentials.
        ns: the namespace, which is in the mark: several may share a database.
        database: None: the user's home database.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str | None = None,
        ns: str = "holodeck",
        database: str | None = None,
    ) -> None:
        self.where = url
        self._ns, self._database = ns, database
        self._url, self._auth = url, (user, password or "") if user else None
        self._driver: AsyncDriver | None = None

    async def open(self) -> str | None:
        if self._driver is None:
            try:
                self._driver = AsyncGraphDatabase.driver(
                    self._url,
                    auth=self._auth,
                    connection_timeout=_TIMEOUT_S,
                    connection_acquisition_timeout=_TIMEOUT_S,
                    max_transaction_retry_time=0.0,
                )
            except (DriverError, ValueError) as error:
                raise self._down(error) from error
        for label in (*LABELS, _OWN):
            key = "name" if label == _OWN else key_of(label)
            await self._constrain(
                f"CREATE CONSTRAINT holodeck_{label.lower()} IF NOT EXISTS "
                f"FOR (n:{label}) REQUIRE n.{key} IS UNIQUE"
            )
        for label in OWNED:
            await self._constrain(
                f"CREATE INDEX holodeck_{label.lower()}_player IF NOT EXISTS "
                f"FOR (n:{label}) ON (n.player_id)"
            )
        return await self._read(self._kept)

    async def _constrain(self, text: str) -> None:
        """A rule of the schema; one that somebody else made under another name does as well."""

        async def work(transaction: AsyncManagedTransaction) -> None:
            await (await transaction.run(_said(text))).consume()

        try:
            await self._write(work)
        except StoreDown as error:
            if not (
                isinstance(error.__cause__, ClientError)
                and str(error.__cause__.code).endswith("AlreadyExists")
            ):
                raise

    async def write(self, changes: Changes, place: str, expected: str) -> None:
        async def work(transaction: AsyncManagedTransaction) -> None:
            # The write comes before the comparison: it locks the node, so of two runners the
            # second compares with what the first has left.
            rows = await _rows(
                transaction,
                f"MERGE (p:{_OWN} {{name: $ns}}) SET p.writers = coalesce(p.writers, 0) + 1 "
                "RETURN p.place AS place",
                ns=self._ns,
            )
            there = rows[0]["place"] or ""
            if there != expected:
                raise Overtaken(f"{self.where} is at {there[:200]!r}")
            await self._remove(transaction, changes)
            await self._merge(transaction, changes)
            await _rows(
                transaction,
                f"MATCH (p:{_OWN} {{name: $ns}}) SET p.place = $place",
                ns=self._ns,
                place=place,
            )

        await self._write(work)

    async def standings(
        self, pairs: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Standing]:
        wanted = [{"npc": npc, "player": player} for npc, player in pairs]

        async def work(transaction: AsyncManagedTransaction) -> Rows:
            return await _rows(
                transaction,
                "UNWIND $rows AS r "
                "MATCH (n:NPC {id: r.npc})-[e:REPUTATION]->(p:Player {id: r.player}) "
                f"WHERE e.{MARK} = $ns "
                "RETURN n.id AS npc, p.id AS player, e.standing AS standing, "
                "e.updated_at AS updated_at, e.begun AS begun, e.sequence AS sequence",
                rows=wanted,
                ns=self._ns,
            )

        return {
            (row["npc"], row["player"]): Standing(
                row["standing"], row["updated_at"], row["begun"], row["sequence"]
            )
            for row in await self._read(work)
        }

    async def reset(self, place: str) -> None:
        async def forget(transaction: AsyncManagedTransaction) -> None:
            await _rows(transaction, f"MATCH (p:{_OWN} {{name: $ns}}) REMOVE p.place", ns=self._ns)

        async def keep(transaction: AsyncManagedTransaction) -> None:
            await _rows(
                transaction,
                f"MERGE (p:{_OWN} {{name: $ns}}) SET p.place = $place",
                ns=self._ns,
                place=place,
            )

        await self._write(forget)
        for kind in RELATIONS:
            await self._empty(f"MATCH ()-[e:{kind}]->() WHERE e.{MARK} = $ns", "DELETE e", "e")
        for label in LABELS:
            await self._empty(f"MATCH (n:{label}) WHERE n.{MARK} = $ns", "DETACH DELETE n", "n")
        await self._write(keep)

    async def _empty(self, match: str, delete: str, name: str) -> None:
        """Removes what matches, some at a time: one large transaction needs as much memory."""

        async def work(transaction: AsyncManagedTransaction) -> int:
            rows = await _rows(
                transaction,
                f"{match} WITH {name} LIMIT {_CHUNK} {delete} RETURN count(*) AS count",
                ns=self._ns,
            )
            return int(rows[0]["count"])

        while await self._write(work):
            pass

    async def dump(self) -> Graph:
        async def work(transaction: AsyncManagedTransaction) -> Graph:
            nodes: dict[tuple[str, str], Props] = {}
            for label, props in LABELS.items():
                for row in await _rows(
                    transaction,
                    f"MATCH (n:{label}) WHERE n.{MARK} = $ns RETURN properties(n) AS props",
                    ns=self._ns,
                ):
                    found = {name: row["props"][name] for name in props if name in row["props"]}
                    nodes[label, str(found[key_of(label)])] = found
            edges: dict[tuple[str, str, str], Props] = {}
            for kind, (begins, ends, _) in RELATIONS.items():
                for row in await _rows(
                    transaction,
                    f"MATCH (a:{begins})-[e:{kind}]->(b:{ends}) WHERE e.{MARK} = $ns "
                    f"RETURN a.{key_of(begins)} AS source, b.{key_of(ends)} AS target, "
                    "properties(e) AS props",
                    ns=self._ns,
                ):
                    row["props"].pop(MARK)
                    edges[kind, row["source"], row["target"]] = row["props"]
            return Graph(nodes, edges)

        return await self._read(work)

    async def close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close()

    # --- in a transaction ----------------------------------------

    async def _kept(self, transaction: AsyncManagedTransaction) -> str | None:
        rows = await _rows(
            transaction, f"MATCH (p:{_OWN} {{name: $ns}}) RETURN p.place AS place", ns=self._ns
        )
        return rows[0]["place"] if rows else None

    async def _remove(self, transaction: AsyncManagedTransaction, changes: Changes) -> None:
        for label in LABELS:
            keys = [key for of, key in changes.gone if of == label]
            if keys:
                await _rows(
                    transaction,
                    f"UNWIND $keys AS key MATCH (n:{label} {{{key_of(label)}: key}}) "
                    "DETACH DELETE n",
                    keys=keys,
                )
        if changes.players:
            players = list(changes.players)
            for label in OWNED:
                await _rows(
                    transaction,
                    f"UNWIND $keys AS key MATCH (n:{label} {{player_id: key}}) DETACH DELETE n",
                    keys=players,
                )
            await _rows(
                transaction,
                "UNWIND $keys AS key MATCH (n:Player {id: key}) DETACH DELETE n",
                keys=players,
            )

    async def _merge(self, transaction: AsyncManagedTransaction, changes: Changes) -> None:
        nodes: dict[str, Rows] = {}
        for (label, key), props in changes.nodes.items():
            nodes.setdefault(label, []).append({"key": key, "props": props})
        for label, rows in nodes.items():
            for at in range(0, len(rows), _CHUNK):
                await _rows(
                    transaction,
                    f"UNWIND $rows AS r MERGE (n:{label} {{{key_of(label)}: r.key}}) "
                    f"ON CREATE SET n.{MARK} = $ns SET n += r.props",
                    rows=rows[at : at + _CHUNK],
                    ns=self._ns,
                )
        edges: dict[str, Rows] = {}
        for (kind, source, target), props in changes.edges.items():
            edges.setdefault(kind, []).append({"from": source, "to": target, "props": props})
        for kind, rows in edges.items():
            begins, ends, _ = RELATIONS[kind]
            for at in range(0, len(rows), _CHUNK):
                await _rows(
                    transaction,
                    f"UNWIND $rows AS r MATCH (a:{begins} {{{key_of(begins)}: r.from}}) "
                    f"MATCH (b:{ends} {{{key_of(ends)}: r.to}}) MERGE (a)-[e:{kind}]->(b) "
                    f"ON CREATE SET e.{MARK} = $ns SET e += r.props",
                    rows=rows[at : at + _CHUNK],
                    ns=self._ns,
                )

    # --- transactions ----------------------------------------

    async def _write(self, work: Callable[[AsyncManagedTransaction], Awaitable[T]]) -> T:
        return await self._transact(work, writing=True)

    async def _read(self, work: Callable[[AsyncManagedTransaction], Awaitable[T]]) -> T:
        return await self._transact(work, writing=False)

    async def _transact(
        self, work: Callable[[AsyncManagedTransaction], Awaitable[T]], *, writing: bool
    ) -> T:
        if self._driver is None:
            raise StoreDown(f"{self.where} is not open")
        try:
            async with self._driver.session(database=self._database) as session:
                run = session.execute_write if writing else session.execute_read
                return await run(work)
        except (DriverError, Neo4jError, OSError) as error:
            raise self._down(error) from error

    def _down(self, error: Exception) -> StoreDown:
        return StoreDown(f"{self.where}: {error}"[:500])


async def _rows(transaction: AsyncManagedTransaction, text: str, **parameters: Any) -> Rows:
    result = await transaction.run(_said(text), parameters)
    return [dict(record) async for record in result]


def _said(text: str) -> LiteralString:
    """A statement put together of this module's own words; what comes from outside is always a
    parameter."""
    return text
