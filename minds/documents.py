"""Reading what an author wrote in YAML.

One law: a file is only data (no tags, no aliases, no code), and everything wrong with it is told
at once, each fault with its line.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel

from holodeck.messages.errors import ContractError
from holodeck.messages.persona import Fault

MAX_FILE: Final = 1024 * 1024
"""The largest file taken, in bytes."""
MAX_DEPTH: Final = 16

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")

Way = tuple[str | int, ...]
"""Where something stands: keys and indices from the top."""


class DocumentError(ContractError):
    """What an author wrote cannot be used; it says everything that is wrong with it.

    Attributes:
        file: where it was read.
        faults: in the order of their lines, at least one.
    """

    code = "document"

    def __init__(self, file: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(file, faults)
        self.file, self.faults = file, faults

    def __str__(self) -> str:
        many = len(self.faults)
        told = "\n".join(f"  {fault}" for fault in self.faults)
        return f"{self.file}: {many} fault{'s' if many != 1 else ''}\n{told}"


def text_of(path: Path) -> str | Fault:
    """What a file says, or why it cannot be read: it is not there, is no UTF-8, is over 1 MiB."""
    try:
        if path.stat().st_size > MAX_FILE:
            return Fault(path="", problem=f"is over {MAX_FILE} bytes")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return Fault(path="", problem=f"cannot be read: {error}")


class _Open:
    """A list or mapping that is being read."""

    __slots__ = ("key", "value", "way")

    def __init__(self, value: dict[str, Any] | list[Any], way: Way) -> None:
        self.value, self.way = value, way
        self.key: str | None = None


class Document:
    """A YAML text as plain data, and the line each part stands in.

    Only what JSON knows comes out: a plain scalar is a truth value where it is exactly ``true`` or
    ``false``, so that the Norwegian or Spanish word ``no`` stays a word.
    """

    def __init__(self, text: str, schema: type[BaseModel]) -> None:
        """
        Args:
            schema: whose field names an unknown one may have been meant as.
        """
        self._schema = schema
        self.data: Any = None
        self.lines: dict[Way, int] = {(): 1}
        self.faults: list[Fault] = []
        self.broken = False
        self._open: list[_Open] = []
        try:
            for event in yaml.parse(unicodedata.normalize("NFC", text), Loader=_LOADER):
                self._take(event)
                if self.broken:
                    break
        except (yaml.YAMLError, ValueError) as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
            self._break((), f"is no YAML: {problem}", mark.line + 1 if mark is not None else 0)

    def told(self) -> tuple[Fault, ...]:
        """Every fault once, in the order of lines."""
        once = dict.fromkeys(self.faults)
        return tuple(sorted(once, key=lambda fault: (fault.line, fault.path)))

    def fault(self, way: Way, problem: str) -> None:
        """Notes what is wrong there, with the line of what stands there or around it."""
        line = self.lines.get(way)
        upper = way
        while line is None:
            upper = upper[:-1]
            line = self.lines.get(upper)
        self.faults.append(Fault(path=".".join(map(str, way)), problem=problem, line=line))

    def _break(self, way: Way, problem: str, line: int) -> None:
        self.faults.append(Fault(path=".".join(map(str, way)), problem=problem, line=line))
        self.broken = True

    def _take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match event:
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if event.tag is not None:
                    return self._break((), f"the tag {event.tag} is not taken", line)
                if len(self._open) >= MAX_DEPTH:
                    return self._break((), "is nested too deep", line)
                mapping = isinstance(event, yaml.MappingStartEvent)
                if (
                    self._open
                    and isinstance(self._open[-1].value, dict)
                    and (self._open[-1].key is None)
                ):
                    return self._break(self._open[-1].way, "a key must be a word", line)
                value: dict[str, Any] | list[Any] = {} if mapping else []
                self._open.append(_Open(value, self._put(value, line)))
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.AliasEvent():
                self._break((), "anchors and aliases are not taken", line)
            case yaml.DocumentStartEvent() if self.data is not None:
                self._break((), "holds more than one document", line)
            case _:
                pass
        return None

    def _scalar(self, event: Any, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            top.key = event.value
            if event.value in top.value:
                self.fault(top.way, f"{event.value!r} stands there twice")
                self.faults[-1] = self.faults[-1].model_copy(update={"line": line})
            self.lines[(*top.way, event.value)] = line
            return
        if event.tag is not None and event.tag != "!":
            self._break(top.way if top else (), f"the tag {event.tag} is not taken", line)
            return
        self._put(_plain(event.value) if event.implicit[0] else event.value, line)

    def _put(self, value: Any, line: int) -> Way:
        if not self._open:
            self.data = value
            return ()
        top = self._open[-1]
        if isinstance(top.value, dict):
            assert top.key is not None
            way: Way = (*top.way, top.key)
            top.value[top.key] = value
            top.key = None
        else:
            way = (*top.way, len(top.value))
            top.value.append(value)
            self.lines[way] = line
        return way

    def shape_fault(self, told: Any) -> None:
        """A fault of the schema's, in plain words."""
        if told["type"] == "too_short" and len(told["input"]) > told["ctx"]["actual_length"]:
            return  # what is missing is there, and has faults of its own
        way: Way = tuple(step for step in told["loc"] if step != "[key]")
        problem = told["msg"][:1].lower() + told["msg"][1:]
        if told["type"] == "extra_forbidden":
            names = _fields_at(self._schema, way[:-1])
            meant = meant_by(str(way[-1]), names)
            problem = f"is not known{meant}"
            if not meant and names:
                problem += f" (known: {', '.join(sorted(names))})"
        elif told["type"] == "missing":
            problem = "is missing"
        elif isinstance(told.get("input"), str | int | float):
            shown = repr(told["input"])
            problem += f" (it says {shown if len(shown) <= 60 else shown[:57] + '...'})"
        self.fault(way, problem.removeprefix("value error, "))


def meant_by(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is nearest, if one is near."""
    meant = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {meant[0]!r}?" if meant else ""


def _plain(value: str) -> str | int | float | bool | None:
    """A plain scalar's value: a number, a truth, nothing, or a word."""
    if value in ("", "~", "null"):
        return None
    if value in ("true", "false"):
        return value == "true"
    if _NUMBER.fullmatch(value):
        return float(value) if any(c in value for c in ".eE") else int(value)
    return value


def _fields_at(schema: type[BaseModel], way: Way) -> list[str]:
    """The field names of the part of the schema that stands there."""
    model: type[BaseModel] | None = schema
    for step in way:
        if model is None:
            break
        if isinstance(step, str) and step in model.model_fields:
            model = _model_in(model.model_fields[step].annotation)
    return list(model.model_fields) if model is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model an annotation is made of, if any."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for part in typing.get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found
    return None
