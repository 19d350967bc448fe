"""The import law and what else holds of the source as a whole.

One law: ``entrypoints → holodeck → actors → broker.port, minds.port → messages``. Each test reads
the syntax trees of all modules and says what to do instead.
"""

from __future__ import annotations

import ast
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("actors", "broker", "config", "entrypoints", "messages", "minds")
PURE: Final = ("actors/session", "actors/npc", "actors/learner", "actors/fleet")
"""Folders of decide and evolve: no clock, no chance, no input or output."""

MAY_IMPORT: Final = {
    "messages": ("holodeck.messages",),
    "broker": ("holodeck.broker", "holodeck.messages"),
    "minds": ("holodeck.minds", "holodeck.messages"),
    "config": ("holodeck.config", "holodeck.messages"),
    "actors": (
        "holodeck.actors",
        "holodeck.messages",
        "holodeck.broker.port",
        "holodeck.broker.streams",
        "holodeck.minds.port",
    ),
}
"""What the modules of a room may import of ours. ``entrypoints`` and ``holodeck`` may all.

What ``broker/port.py``, ``broker/streams.py`` and ``minds/port.py`` define may also be imported
from the door of its room; an adapter may not.
"""

EFFECTS: Final = (
    "asyncio",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "os",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "uuid",
)
VAGUE: Final = ("utils", "util", "core", "common", "helpers", "misc")


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a module names something from elsewhere.

    Attributes:
        name: dotted, such as ``holodeck.messages.ids.new_id`` or ``time``.
    """

    path: str
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name}"

    def within(self, *packages: str) -> bool:
        return any(self.name == p or self.name.startswith(p + ".") for p in packages)


def sources(*folders: str) -> Iterator[Path]:
    """Every module below ``folders``, links not followed, so each one once."""
    for folder in folders:
        for place, inner, names in os.walk(ROOT / folder):
            inner[:] = sorted(name for name in inner if name != "__pycache__")
            yield from (Path(place) / name for name in sorted(names) if name.endswith(".py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(*folders: str) -> list[Use]:
    """Every import below ``folders``, also those inside functions and ``if TYPE_CHECKING``."""
    found = []
    for path in sources(*folders):
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Import):
                found += [Use(where, node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                dots = "." * node.level
                found += [
                    Use(where, node.lineno, f"{dots}{node.module or ''}.{alias.name}")
                    for alias in node.names
                ]
    return found


def through_the_door(package: str) -> set[str]:
    """What a module defines, as it is called when it comes from the door of its room."""
    room, module = package.removeprefix("holodeck.").split(".")
    path = ROOT / room / f"{module}.py"
    names: set[str] = set()
    for node in tree(path).body if path.is_file() else ():
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return {f"holodeck.{room}.{name}" for name in names}


def ours(uses: list[Use]) -> list[Use]:
    return [use for use in uses if use.within("holodeck")]


def listed(uses: list[Use]) -> str:
    return "\n  " + "\n  ".join(str(use) for use in uses)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# --- who may import whom ------------------------------------------------------------------------


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    doors: set[str] = set()
    for package in MAY_IMPORT[room]:
        if package.count(".") == 2:
            doors |= through_the_door(package)
    wrong = [
        use
        for use in ours(imports(room))
        if not use.within(*MAY_IMPORT[room]) and use.name not in doors
    ]

    assert not wrong, (
        f"{room} may import only {', '.join(MAY_IMPORT[room])}. Take what you need as a parameter "
        f"and let the composition root in holodeck/ bring it:{listed(wrong)}"
    )


def test_only_the_composition_root_and_what_stands_above_it_read_settings() -> None:
    wrong = [
        use
        for use in ours(imports("actors", "broker", "messages", "minds"))
        if use.within("holodeck.config")
    ]

    assert not wrong, (
        "settings are read once, in the composition root, and handed down; make this a parameter:"
        + listed(wrong)
    )


def test_no_room_but_entrypoints_imports_entrypoints() -> None:
    wrong = [
        use
        for use in ours(imports("holodeck", *(room for room in ROOMS if room != "entrypoints")))
        if use.within("holodeck.entrypoints")
    ]

    assert not wrong, (
        "entrypoints lie on top and nothing imports them; move what is shared into holodeck/:"
        + listed(wrong)
    )


@pytest.mark.parametrize(
    ("package", "home"), [("nats", "broker/nats.py"), ("ray", "actors/cluster.py")]
)
def test_a_big_dependency_has_one_home(package: str, home: str) -> None:
    wrong = [use for use in imports("holodeck", *ROOMS) if use.within(package) and use.path != home]

    assert not wrong, f"only {home} imports {package}; go through its port:" + listed(wrong)


def test_nothing_is_imported_relatively() -> None:
    wrong = [use for use in imports("holodeck", *ROOMS) if use.name.startswith(".")]

    assert not wrong, "write the whole name, holodeck.<room>.<module>:" + listed(wrong)


def test_no_room_is_imported_by_its_bare_name() -> None:
    everywhere = imports("holodeck", *ROOMS, "bench", "examples", "tests")
    wrong = [use for use in everywhere if use.within(*ROOMS)]

    assert not wrong, (
        "a bare import makes a second class that is unequal to the first; say holodeck.<room>:"
        + listed(wrong)
    )


def test_nothing_of_ours_depends_on_tests_or_benchmarks() -> None:
    wrong = [use for use in imports("holodeck", *ROOMS) if use.within("tests", "bench", "pytest")]

    assert not wrong, "the wheel holds neither tests nor benchmarks:" + listed(wrong)


# --- purity -------------------------------------------------------------------------------------


def test_pure_folders_touch_neither_clock_nor_chance_nor_the_world() -> None:
    folders = [folder for folder in PURE if (ROOT / folder).is_dir()]
    wrong = [use for use in imports(*folders) if use.within(*EFFECTS)]

    assert not wrong, (
        "decide and evolve are pure, or a replay would differ; time, chance and ids come in with "
        "the command:" + listed(wrong)
    )


def test_pure_folders_do_not_ask_for_the_time_through_datetime() -> None:
    folders = [folder for folder in PURE if (ROOT / folder).is_dir()]
    wrong = [
        Use(path.relative_to(ROOT).as_posix(), node.lineno, ast.unparse(node))
        for path in sources(*folders)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("now", "utcnow", "today")
        and ast.unparse(node.value).rsplit(".", 1)[-1] in ("datetime", "date")
    ]

    assert not wrong, "the time comes in as the parameter now:" + listed(wrong)


def test_pure_folders_have_no_coroutines() -> None:
    folders = [folder for folder in PURE if (ROOT / folder).is_dir()]
    wrong = [
        Use(path.relative_to(ROOT).as_posix(), node.lineno, ast.unparse(node).split(":")[0])
        for path in sources(*folders)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]

    assert not wrong, "what waits belongs into the shell, before or after decide:" + listed(wrong)


# --- names and output ---------------------------------------------------------------------------


def test_every_module_has_a_name_that_says_what_it_is_for() -> None:
    everywhere = sources("holodeck", *ROOMS, "bench", "tests")
    wrong = [
        Use(path.relative_to(ROOT).as_posix(), 1, part)
        for path in everywhere
        for part in (*path.relative_to(ROOT).parts[:-1], path.stem)
        if part.lstrip("_") in VAGUE
    ]

    assert not wrong, "name it after what it does, not after being shared:" + listed(wrong)


def test_every_module_states_its_law() -> None:
    wrong = [
        Use(path.relative_to(ROOT).as_posix(), 1, "no docstring")
        for path in sources("holodeck", *ROOMS)
        if tree(path).body and ast.get_docstring(tree(path)) is None
    ]

    assert not wrong, "say in the module's docstring what holds of it:" + listed(wrong)


def test_only_entrypoints_print() -> None:
    wrong = [
        Use(path.relative_to(ROOT).as_posix(), node.lineno, "print()")
        for path in sources("holodeck", *(room for room in ROOMS if room != "entrypoints"))
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]

    assert not wrong, "log it with structlog, or give it back to the caller:" + listed(wrong)


# --- packaging ----------------------------------------------------------------------------------


def test_the_package_list_is_what_the_folders_hold() -> None:
    held = {"holodeck", "holodeck.compat"} | {
        "holodeck." + place.relative_to(ROOT).as_posix().replace("/", ".")
        for room in ROOMS
        for place in {path.parent for path in sources(room)}
    }
    packages = project()["tool"]["setuptools"]["packages"]

    assert held - set(packages) == set(), "add these to packages in pyproject.toml"
    assert set(packages) - held == set(), "take these out of packages in pyproject.toml"
    assert packages == sorted(packages), "keep packages in pyproject.toml in order"


def test_every_package_has_an_init() -> None:
    places = {path.parent for path in sources("holodeck", *ROOMS)}
    wrong = sorted(str(p.relative_to(ROOT)) for p in places if not (p / "__init__.py").is_file())

    assert not wrong, "give each of these an __init__.py, or the wheel leaves it out"


def test_the_builder_maps_every_room() -> None:
    mapped = project()["tool"]["setuptools"]["package-dir"]

    assert mapped == {"holodeck": "holodeck"} | {f"holodeck.{room}": room for room in ROOMS}, (
        "package-dir in pyproject.toml has one line for each room"
    )


def test_the_links_in_holodeck_are_relative_and_match_the_rooms() -> None:
    links = {
        place.name: os.readlink(place)
        for place in (ROOT / "holodeck").iterdir()
        if place.is_symlink()
    }

    assert links == {room: f"../{room}" for room in ROOMS}, (
        "holodeck/ holds one link for each room: ln -s ../<room> holodeck/<room>"
    )


def test_every_room_is_banned_by_its_bare_name_and_covered() -> None:
    tool = project()["tool"]
    banned = tool["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]

    assert set(banned) == set(ROOMS), "banned-api in pyproject.toml has one line for each room"
    assert set(tool["coverage"]["run"]["source"]) == set(ROOMS), "coverage measures every room"


def test_this_checkout_is_what_is_tested() -> None:
    import holodeck
    import holodeck.messages.ids

    assert holodeck.__file__ is not None
    assert Path(holodeck.__file__).parent == ROOT / "holodeck"
    assert Path(holodeck.messages.ids.__file__).resolve() == ROOT / "messages" / "ids.py"
