"""The graph in a file of this machine; the only file that imports ``ladybug``.

One law: the file is this projection's alone, and what was erased leaves the file itself: the
database keeps the bytes of what is deleted, so after an erasure it is copied without them.

The library waits for its disk, so everything runs on one thread of its own. While the file is open
here no other process may write it; others may read it (``read_only=True``).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import ladybug
import structlog

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
    Value,
    key_of,
)

_TYPES: Final[Mapping[type, str]] = {str: "STRING", int: "INT64", float: "DOUBLE", bool: "BOOL"}
_OWN: Final = "HolodeckProjection"
"""The table of one row: the place, and whether what was erased is still in the file."""
_UNREADABLE: Final = ("different version", "Cannot read checkpoint", "orrupt")
"""What the library says of a database file that was broken, or written by another version of it."""
_CHUNK: Final = 2000
_POOL_BYTES: Final = 128 * 1024 * 1024

log = structlog.get_logger("holodeck.projections")
T = TypeVar("T")
Rows = list[dict[str, Any]]


class EmbeddedGraph:
    """A property graph in one file.

    Args:
        path: of the file; its folder is made.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.where = f"file {self.path}"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="graph")
        self._database: ladybug.Database | None = None
        self._connection: ladybug.Connection | None = None

    async def open(self) -> str | None:
        return await self._run(self._open)

    async def write(self, changes: Changes, place: str, expected: str) -> None:
        await self._run(lambda: self._write(changes, place, expected))

    async def standings(
        self, pairs: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], Standing]:
        wanted = [{"npc": npc, "player": player} for npc, player in pairs]
        return await self._run(lambda: self._standings(wanted))

    async def reset(self, place: str) -> None:
        await self._run(lambda: self._reset(place))

    async def dump(self) -> Graph:
        return await self._run(self._dump)

    async def close(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        finally:
            self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (RuntimeError, OSError) as error:  # what the library raises, whatever went wrong
            raise StoreDown(f"{self.where}: {error}"[:500]) from error

    # --- on the thread ----------------------------------------

    def _open(self) -> str | None:
        self._shut()
        fresh = self._fresh
        for left in (fresh, *_beside(fresh)):
            left.unlink(missing_ok=True)  # a copy that was not finished
        try:
            self._begin(self.path)
        except RuntimeError as error:
            if not any(words in str(error) for words in _UNREADABLE):
                raise
            self._put_aside(str(error))
            self._begin(self.path)
        known = {*LABELS, *RELATIONS, _OWN}
        foreign = {row["name"] for row in self._rows("CALL show_tables() RETURN name")} - known
        if foreign:
            self._shut()
            raise StoreDown(
                f"{self.where} holds what is not ours: {', '.join(sorted(foreign))[:200]}; "
                "name a file of its own in HOLODECK_GRAPH_PATH"
            )
        self._declare()
        kept = self._kept()
        if kept is not None and kept["unclean"]:
            self._copy()
        return None if kept is None else str(kept["place"])

    def _put_aside(self, reason: str) -> None:
        """A graph that cannot be read is made anew; the file stays until somebody is erased."""
        self._shut()
        log.error("graph.unreadable", file=str(self.path), moved=str(self._aside), reason=reason)
        self.path.replace(self._aside)
        for path in _beside(self.path):
            path.unlink(missing_ok=True)

    def _begin(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = ladybug.Database(
            str(path), buffer_pool_size=_POOL_BYTES, max_num_threads=1
        )
        self._connection = ladybug.Connection(self._database)

    def _shut(self) -> None:
        connection, self._connection = self._connection, None
        database, self._database = self._database, None
        if connection is not None:
            connection.close()
        if database is not None:
            database.close()

    def _declare(self) -> None:
        for label, props in LABELS.items():
            columns = ", ".join(f"{name} {_TYPES[kind]}" for name, kind in props.items())
            self._do(
                f"CREATE NODE TABLE IF NOT EXISTS {label}({columns}, PRIMARY KEY ({key_of(label)}))"
            )
        for kind, (begins, ends, props) in RELATIONS.items():
            columns = "".join(f", {name} {_TYPES[type_]}" for name, type_ in props.items())
            self._do(f"CREATE REL TABLE IF NOT EXISTS {kind}(FROM {begins} TO {ends}{columns})")
        self._do(
            f"CREATE NODE TABLE IF NOT EXISTS {_OWN}"
            "(name STRING, place STRING, unclean BOOL, PRIMARY KEY (name))"
        )

    def _do(self, text: str, **parameters: Any) -> Any:
        if self._connection is None:
            raise StoreDown(f"{self.where} is not open")
        return self._connection.execute(text, parameters)

    def _rows(self, text: str, **parameters: Any) -> Rows:
        found: Rows = list(self._do(text, **parameters).rows_as_dict())
        return found

    def _kept(self) -> dict[str, Any] | None:
        rows = self._rows(
            f"MATCH (p:{_OWN} {{name: 'graph'}}) RETURN p.place AS place, p.unclean AS unclean"
        )
        return rows[0] if rows else None

    def _keep(self, place: str, unclean: bool) -> None:
        self._do(
            f"MERGE (p:{_OWN} {{name: 'graph'}}) SET p.place = $place, p.unclean = $unclean",
            place=place,
            unclean=unclean,
        )

    def _write(self, changes: Changes, place: str, expected: str) -> None:
        self._do("BEGIN TRANSACTION")
        try:
            kept = self._kept()
            there = "" if kept is None else str(kept["place"])
            if there != expected:
                raise Overtaken(f"{self.where} is at {there[:200]!r}")
            erases = bool(changes.gone or changes.players)
            self._remove(changes)
            self._merge(changes)
            self._keep(place, erases)
        except BaseException:
            self._undo()
            raise
        self._do("COMMIT")
        if erases:
            self._copy()

    def _undo(self) -> None:
        try:
            self._do("ROLLBACK")
        except RuntimeError as error:
            # Where the failure itself ended the transaction there is none left to roll back.
            log.debug("graph.no-rollback", reason=str(error))

    def _remove(self, changes: Changes) -> None:
        for label in LABELS:
            rows = [{"key": key} for of, key in changes.gone if of == label]
            if rows:
                key = key_of(label)
                self._do(
                    f"UNWIND $rows AS r MATCH (n:{label} {{{key}: r.key}}) DETACH DELETE n",
                    rows=rows,
                )
        players = [{"key": player} for player in changes.players]
        if players:
            for label in OWNED:
                self._do(
                    f"UNWIND $rows AS r MATCH (n:{label}) WHERE n.player_id = r.key "
                    "DETACH DELETE n",
                    rows=players,
                )
            self._do("UNWIND $rows AS r MATCH (n:Player {id: r.key}) DETACH DELETE n", rows=players)

    def _merge(self, changes: Changes) -> None:
        for (label, names), rows in _alike(
            (label, key, props) for (label, key), props in changes.nodes.items()
        ):
            key = key_of(label)
            sets = ", ".join(f"n.{name} = r.{name}" for name in names if name != key)
            then = f" SET {sets}" if sets else ""
            for some in _chunks(rows):
                self._do(f"UNWIND $rows AS r MERGE (n:{label} {{{key}: r._key}}){then}", rows=some)
        edges = (
            (kind, (source, target), props)
            for (kind, source, target), props in changes.edges.items()
        )
        for (kind, names), rows in _alike(edges):
            begins, ends, _ = RELATIONS[kind]
            sets = ", ".join(f"e.{name} = r.{name}" for name in names)
            then = f" SET {sets}" if sets else ""
            for some in _chunks(rows):
                self._do(
                    f"UNWIND $rows AS r MATCH (a:{begins} {{{key_of(begins)}: r._from}}), "
                    f"(b:{ends} {{{key_of(ends)}: r._to}}) MERGE (a)-[e:{kind}]->(b){then}",
                    rows=some,
                )

    def _standings(self, wanted: Rows) -> dict[tuple[str, str], Standing]:
        rows = self._rows(
            "UNWIND $rows AS r MATCH (n:NPC {id: r.npc})-[e:REPUTATION]->(p:Player {id: r.player}) "
            "RETURN n.id AS npc, p.id AS player, e.standing AS standing, "
            "e.updated_at AS updated_at, e.begun AS begun, e.sequence AS sequence",
            rows=wanted,
        )
        return {
            (row["npc"], row["player"]): Standing(
                row["standing"], row["updated_at"], row["begun"], row["sequence"]
            )
            for row in rows
        }

    def _reset(self, place: str) -> None:
        """A file of ours alone: what is to be forgotten goes with it."""
        self._shut()
        for path in (self.path, *_beside(self.path)):
            path.unlink(missing_ok=True)
        self._begin(self.path)
        self._declare()
        self._keep(place, False)

    def _dump(self) -> Graph:
        nodes: dict[tuple[str, str], Props] = {}
        for label, props in LABELS.items():
            returned = ", ".join(f"n.{name} AS {name}" for name in props)
            for row in self._rows(f"MATCH (n:{label}) RETURN {returned}"):
                key = row[key_of(label)]
                nodes[label, key] = {
                    name: value for name, value in row.items() if value is not None
                }
        edges: dict[tuple[str, str, str], Props] = {}
        for kind, (begins, ends, props) in RELATIONS.items():
            returned = "".join(f", e.{name} AS {name}" for name in props)
            for row in self._rows(
                f"MATCH (a:{begins})-[e:{kind}]->(b:{ends}) RETURN a.{key_of(begins)} AS _from, "
                f"b.{key_of(ends)} AS _to{returned}"
            ):
                source, target = row.pop("_from"), row.pop("_to")
                edges[kind, source, target] = row
        return Graph(nodes, edges)

    @property
    def _aside(self) -> Path:
        return self.path.with_name(self.path.name + ".unreadable")

    @property
    def _fresh(self) -> Path:
        return self.path.with_name(self.path.name + ".fresh")

    def _copy(self) -> None:
        """The same graph in a new file, which takes the old one's place: so nothing is left of
        what was deleted. Killed on the way it is done again at the next open."""
        kept = self._kept()
        whole = self._dump()
        self._shut()
        self._begin(self._fresh)
        self._declare()
        self._do("BEGIN TRANSACTION")
        self._merge(
            Changes(
                nodes={node: dict(props) for node, props in whole.nodes.items()},
                edges={edge: dict(props) for edge, props in whole.edges.items()},
            )
        )
        if kept is not None:
            self._keep(str(kept["place"]), False)
        self._do("COMMIT")
        self._do("CHECKPOINT")
        self._shut()
        # The old log first: it must never be replayed over the new file.
        for path in _beside(self.path):
            path.unlink(missing_ok=True)
        os.replace(self._fresh, self.path)
        for path in (*_beside(self._fresh), self._aside):
            path.unlink(missing_ok=True)
        self._begin(self.path)


def _beside(path: Path) -> Iterator[Path]:
    """What the library keeps beside a database file: its log and the like."""
    yield from path.parent.glob(f"{path.name}.wal*")
    yield from path.parent.glob(f"{path.name}.shadow*")
    yield from path.parent.glob(f"{path.name}.tmp*")


def _alike(
    entries: Iterable[tuple[str, Any, Mapping[str, Value]]],
) -> Iterator[tuple[tuple[str, tuple[str, ...]], Rows]]:
    """Entries with the same kind and properties together, as rows of one statement."""
    groups: dict[tuple[str, tuple[str, ...]], Rows] = {}
    for kind, key, props in entries:
        names = tuple(sorted(props))
        ends = {"_key": key} if isinstance(key, str) else {"_from": key[0], "_to": key[1]}
        groups.setdefault((kind, names), []).append({**ends, **props})
    yield from groups.items()


def _chunks(rows: Rows) -> Iterator[Rows]:
    for at in range(0, len(rows), _CHUNK):
        yield rows[at : at + _CHUNK]
