"""The contracts of a session for other languages: as JSON Schema and as TypeScript.

One law: both are made from the Python classes and from nothing else, and the same classes give the
same text. Names of the four phases' fields are camelCase, those of commands and events as they are
on the wire; times are text as ISO 8601 has them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import typer
from pydantic import AfterValidator, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from holodeck.entrypoints.running import telling
from holodeck.entrypoints.show import Out
from holodeck.messages.conversation import PHASES, Contract, Time
from holodeck.messages.errors import StartupError
from holodeck.messages.session import SessionCommand, SessionEvent

Form = Literal["json-schema", "typescript"]
FILES: Final[Mapping[Form, str]] = {
    "json-schema": "holodeck.schema.json",
    "typescript": "holodeck.d.ts",
}
"""What each form is called in a folder."""
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
UNIONS: Final[Mapping[str, Any]] = {
    "SessionCommand": SessionCommand,
    "SessionEvent": SessionEvent,
}
"""What may be said to a session, and what it says happened."""
_WIDTH: Final = 96

Schema = dict[str, Any]


def export(folder: Path | None, form: Form) -> str:
    """The contracts in one form; with a folder, also written there, under their name in
    :data:`FILES`. The folder is made if it is not there.

    Raises:
        StartupError: the file cannot be written.
    """
    text = _json() if form == "json-schema" else _typescript()
    if folder is not None:
        path = folder / FILES[form]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StartupError(
                f"{path} cannot be written ({error.strerror})", "Name another folder"
            ) from error
    return text


# --- JSON Schema ----------------------------------------

_TIMES: Final = frozenset(
    id(rule.func) for rule in get_args(Time)[1:] if isinstance(rule, AfterValidator)
)
"""What makes a text a time."""


class _Generator(GenerateJsonSchema):
    """Says which texts are times, and gives ranges their standard names."""

    def function_after_schema(
        self, schema: core_schema.AfterValidatorFunctionSchema
    ) -> JsonSchemaValue:
        made = super().function_after_schema(schema)
        if id(schema["function"]["function"]) in _TIMES:
            made["format"] = "date-time"
        return made


_RANGES: Final = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
}


def schema() -> Schema:
    """One document: every type under ``$defs``; the four phases, ``SessionCommand`` and
    ``SessionEvent`` among them. It takes what the contracts give, and what may be left out."""
    mode: JsonSchemaMode = "validation"
    adapters = [(phase.__name__, mode, TypeAdapter[Any](phase)) for phase in PHASES]
    adapters += [(name, mode, TypeAdapter[Any](union)) for name, union in UNIONS.items()]
    roots, document = TypeAdapter.json_schemas(adapters, by_alias=True, schema_generator=_Generator)
    found: dict[str, Schema] = document["$defs"]
    for name in UNIONS:
        found[name] = dict(roots[name, mode])
    return {
        "$schema": DIALECT,
        "title": "Holodeck: the contracts of a session",
        "$comment": "Take one by its name, such as #/$defs/PreSessionContext.",
        "$defs": {name: _definition(found[name]) for name in sorted(found)},
    }


def _definition(made: Schema) -> Schema:
    """Without titles nobody needs; a ``kind`` is never left out: it tells messages apart."""
    plain: Schema = _plain(made)
    fields = plain.get("properties", {})
    if "const" in fields.get("kind", {}):
        plain["required"] = ["kind", *plain.get("required", ())]
    about, notes = _told(plain.pop("description", ""), fields)
    for name, note in notes.items():
        fields[name] = {"description": note, **fields[name]}
    if about:
        plain = {"description": about, **plain}
    return plain


def _plain(made: Any) -> Any:
    match made:
        case dict():
            kept: Schema = {}
            for key, value in made.items():
                if key in ("properties", "$defs"):
                    kept[key] = {one: _plain(inner) for one, inner in value.items()}
                elif key in ("default", "const", "enum"):
                    kept[key] = value
                elif key != "title":
                    name = str(key)
                    kept[_RANGES.get(name, name)] = _plain(value)
            return kept
        case list():
            return [_plain(inner) for inner in made]
        case _:
            return made


_NAMES: Final = r"(?:``)?\w+(?:``)?(?:, (?:``)?\w+(?:``)?)*"
_ITEM: Final = re.compile(rf"({_NAMES}): (.+)", re.DOTALL)
_NEXT: Final = re.compile(rf"; (?={_NAMES}: )")
_SNAKE: Final = re.compile(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b")
_ROLE: Final = re.compile(r":[a-z]+:`~?([^`]+)`")


def _told(text: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """A class's prose, and what it says of single fields, by their names outside."""
    about, _, listed = text.partition("Attributes:\n")
    if about.startswith("``"):
        about, listed = "", " ".join(about.split()) + "\n" + cleandoc("\n" + listed)
    left = [about.strip()]
    notes: dict[str, str] = {}
    last: list[str] = []
    for piece in _pieces(cleandoc("\n" + listed)):
        item = _ITEM.fullmatch(piece)
        given = "" if item is None else item[1].replace("`", "")
        names = [_outside(one, fields) for one in given.split(", ")]
        if item is not None and all(name in fields for name in names):
            last = names
            notes |= dict.fromkeys(names, item[2].rstrip("."))
        elif last:  # it goes on about the same fields
            notes |= {name: f"{notes[name]}; {piece.rstrip('.')}" for name in last}
        else:
            left.append(piece)
    words = "\n".join(filter(None, left))
    return _words(words, fields), {name: _words(note, fields) for name, note in notes.items()}


def _pieces(text: str) -> Iterator[str]:
    """What is said of one field or several: a line with those that go on with it, or a part."""
    lines: list[str] = []
    for line in filter(str.strip, text.splitlines()):
        if line.startswith(" ") and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    for line in lines:
        yield from _NEXT.split(line)


def _outside(name: str, fields: Mapping[str, Any]) -> str:
    camel = to_camel(name)
    return camel if camel in fields else name


def _words(text: str, fields: Mapping[str, Any]) -> str:
    """Prose with the fields' names as they are outside, and without what only Python says."""
    plain = re.sub(r"\bNone\b", "null", _ROLE.sub(r"`\1`", text)).replace("``", "`")
    return _SNAKE.sub(lambda found: _outside(found.group(), fields), plain)


def _json() -> str:
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


# --- TypeScript ----------------------------------------

_HEAD: Final = """\
// Holodeck: the contracts of a session. Made by `holodeck contracts export`; do not edit.
//
// Times are text as ISO 8601 has them, with a zone. Numbers have their range beside them.
// What may be null may be left out, too.
"""


def _typescript() -> str:
    found = schema()["$defs"]
    camel = _contracts()
    parts = [_HEAD]
    told: set[str] = set()
    sections = [
        ("Before, while, after and between sessions", [one.__name__ for one in PHASES]),
        ("What may be said to a session", ["SessionCommand"]),
        ("What a session says happened", ["SessionEvent"]),
    ]
    for title, roots in sections:
        parts.append(f"// --- {title} {'-' * 40}\n")
        for name in _reached(roots, found, told):
            parts.append(_declaration(name, found[name], complete=name in camel))
    return "\n".join(parts)


def _contracts() -> frozenset[str]:
    """The types that are given whole; of all others what is at its default may be left out."""

    def below(kind: type[Contract]) -> Iterator[str]:
        for one in kind.__subclasses__():
            if one.__module__ == Contract.__module__:
                yield one.__name__
                yield from below(one)

    return frozenset(below(Contract))


def _reached(roots: list[str], found: Mapping[str, Schema], told: set[str]) -> Iterator[str]:
    """Names in the order a reader meets them, each once."""
    for name in roots:
        if name not in told:
            told.add(name)
            yield name
            yield from _reached(list(_named(found[name])), found, told)


def _named(part: Any) -> Iterator[str]:
    match part:
        case {"$ref": str(reference)}:
            yield _last(reference)
        case dict():
            for key, inner in part.items():
                if key != "discriminator":
                    yield from _named(inner)
        case list():
            for inner in part:
                yield from _named(inner)
        case _:
            return


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _declaration(name: str, made: Schema, *, complete: bool) -> str:
    fields: Mapping[str, Schema] = made.get("properties", {})
    lines = _comment(made.get("description", ""))
    if made.get("type") != "object" or not fields:
        lines.append(_alias(name, made))
        return "\n".join(lines) + "\n"
    required = set(made.get("required", ()))
    lines.append(f"export interface {name} {{")
    for field, inner in fields.items():
        said, limits = inner.get("description", ""), _range(inner)
        note = said if limits in said else ". ".join(filter(None, (said, limits)))
        optional = _nullable(inner) if complete else field not in required
        lines += _comment(note, "  ")
        lines.append(f"  {field}{'?' if optional else ''}: {_type(inner)};")
    return "\n".join([*lines, "}"]) + "\n"


def _alias(name: str, made: Schema) -> str:
    """A type that is no object: in one line, or a line for each it may be."""
    told = _type(made)
    line = f"export type {name} = {told};"
    if len(line) <= _WIDTH:
        return line
    return f"export type {name} =\n  | " + "\n  | ".join(told.split(" | ")) + ";"


def _nullable(made: Schema) -> bool:
    return "default" in made and any(one == {"type": "null"} for one in made.get("anyOf", ()))


def _type(made: Schema) -> str:
    match made:
        case {"$ref": str(reference)}:
            return _last(reference)
        case {"const": value}:
            return json.dumps(value, ensure_ascii=False)
        case {"enum": [*values]}:
            return " | ".join(json.dumps(value, ensure_ascii=False) for value in values)
        case {"anyOf": [*several]} | {"oneOf": [*several]}:
            return " | ".join(dict.fromkeys(_type(one) for one in several))
        case {"type": "array", "prefixItems": [*several]}:
            return f"[{', '.join(_type(one) for one in several)}]"
        case {"type": "array", "items": dict(inner)}:
            told = _type(inner)
            return f"({told})[]" if " | " in told else f"{told}[]"
        case {"type": "object"}:
            return f"Record<string, {_value(made)}>"
        case {"type": "integer" | "number"}:
            return "number"
        case {"type": "string" | "boolean" | "null" as plain}:
            return str(plain)
        case _:
            return "unknown"


def _value(made: Schema) -> str:
    """What an object that is a table holds."""
    match made:
        case {"additionalProperties": dict(inner)}:
            return _type(inner)
        case {"patternProperties": dict(kinds)} if len(kinds) == 1:
            return _type(next(iter(kinds.values())))
        case _:
            return "unknown"


_VAST: Final = 2**53


def _range(made: Schema) -> str:
    """A number's range in words; empty where it has none."""
    several = [one for one in made.get("anyOf", ()) if one != {"type": "null"}]
    told = several[0] if len(several) == 1 else made
    if made.get("format") == "date-time" or told.get("format") == "date-time":
        return "ISO 8601"
    low, high = told.get("minimum"), told.get("maximum")
    above = told.get("exclusiveMinimum")
    high = None if high is not None and high >= _VAST else high
    words = []
    if above is not None:
        words.append(f"above {_number(above)}")
    if low is not None:
        upper = f" to {_number(high)}" if high is not None else ""
        words.append(f"{_number(low)}{upper}" if upper else f"at least {_number(low)}")
    elif high is not None:
        words.append(f"at most {_number(high)}")
    return ", ".join(words)


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _comment(text: str, indent: str = "") -> list[str]:
    """A doc comment; none for no text."""
    if not text:
        return []
    lines = text.replace("*/", "* /").splitlines()
    if len(lines) == 1 and len(lines[0]) + len(indent) + 7 <= _WIDTH + 4:
        return [f"{indent}/** {lines[0]} */"]
    return [
        f"{indent}/**",
        *(f"{indent} * {wrapped}".rstrip() for line in lines for wrapped in _wrapped(line)),
        f"{indent} */",
    ]


def _wrapped(line: str) -> list[str]:
    lines = [""]
    for word in line.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > _WIDTH - 5:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


# --- the command ----------------------------------------

contracts_app = typer.Typer(
    no_args_is_help=True,
    help="""The contracts of a session, for clients in other languages.

    [bold]Examples:[/bold]

      holodeck contracts export
      holodeck contracts export --format typescript > holodeck.d.ts
      holodeck contracts export --out contracts""",
)


@contracts_app.callback()
def _contracts_group() -> None:
    """Keeps ``export`` a word of its own while it is the only one."""


class Format(StrEnum):
    JSON_SCHEMA = "json-schema"
    TYPESCRIPT = "typescript"
    BOTH = "both"


@contracts_app.command("export")
def contracts_export(
    form: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="What to export; by default the JSON Schema, into a folder both.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write files there; else they are printed."),
    ] = None,
) -> None:
    """The four phases of a session, every type they name, its commands and events.

    [bold]Example:[/bold]  holodeck contracts export --out contracts
    """
    chosen = form or (Format.JSON_SCHEMA if out is None else Format.BOTH)
    forms: tuple[Form, ...] = ("json-schema", "typescript")
    notes = Out(False)
    with telling(notes):
        for one in forms:
            if chosen.value not in (one, "both"):
                continue
            text = export(out, one)
            if out is None:
                sys.stdout.write(text)
            else:
                notes.document(None, str(out / FILES[one]))
