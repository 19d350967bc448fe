"""The OpenAPI document as a page to read: no script, nothing from elsewhere.

One law: it is made from the document alone, so it says what the document says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

METHODS: Final = ("get", "post", "put", "patch", "delete")
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own style, and nothing else."""
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881 }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
nav ul { columns: 3 14rem; list-style: none; padding: 0; margin: 1rem 0 }
details { border-top: 1px solid var(--line) } summary { cursor: pointer; padding: .45rem 0 }
summary code { font-size: .95rem } summary span { opacity: .8; margin-left: .6rem }
.method { display: inline-block; font-weight: 700; min-width: 4.2rem; font-size: .85rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0 }
th { border-bottom: 1px solid var(--line) } td { border-bottom: 1px solid var(--soft) }
pre { background: var(--soft); padding: .7rem; overflow-x: auto; border-radius: .3rem }
a { color: inherit } :focus-visible { outline: 2px solid Highlight; outline-offset: 2px }
"""


def manual(document: Mapping[str, Any]) -> str:
    """The page of an OpenAPI document."""
    shapes: dict[str, Any] = document.get("components", {}).get("schemas", {})
    groups: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, spoken in document["paths"].items():
        for method in METHODS:
            if method in spoken:
                tag = (spoken[method].get("tags") or ["running"])[0]
                groups.setdefault(tag, []).append((method, path, spoken[method]))
    named = {name for name in shapes if not name.startswith("_")}
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>{escape(document['info']['title'])} API</title><style>{_STYLE}</style></head>",
        f"<body><header><h1>{escape(document['info']['title'])} API</h1>",
        f"<p>Version {escape(document['info']['version'])}. The same for programs: "
        "<a href=openapi.json>openapi.json</a>.</p>",
        "<p>Callers show who they are with <code>Authorization: Bearer &lt;token&gt;</code>; "
        "errors are <code>application/problem+json</code>.</p></header>",
        "<nav aria-label=Groups><ul>",
        *(f"<li><a href='#{escape(tag)}'>{escape(tag)}</a></li>" for tag in groups),
        "<li><a href='#shapes'>shapes</a></li></ul></nav><main>",
    ]
    for tag, routes in groups.items():
        parts.append(f"<section id='{escape(tag)}'><h2>{escape(tag)}</h2>")
        for method, path, spoken in routes:
            parts.extend(_route(method, path, spoken))
        parts.append("</section>")
    parts.append("<section id=shapes><h2>shapes</h2>")
    for name in sorted(named):
        parts.extend(_shape(name, shapes[name]))
    parts.append("</section></main></body></html>")
    return "".join(parts)


def _route(method: str, path: str, spoken: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"<details><summary><span class=method>{method.upper()}</span><code>{escape(path)}</code>"
        f"<span>{escape(spoken.get('summary', ''))}</span></summary>"
    )
    if spoken.get("description"):
        yield f"<p>{escape(spoken['description'])}</p>"
    parameters = spoken.get("parameters", [])
    if parameters:
        yield "<table><thead><tr><th>in<th>name<th>form<th></tr></thead><tbody>"
        for one in parameters:
            must = " *" if one.get("required") else ""
            yield (
                f"<tr><td>{escape(one['in'])}<td><code>{escape(one['name'])}</code>{must}"
                f"<td>{_form(one.get('schema', {}))}<td>{escape(one.get('description', ''))}</tr>"
            )
        yield "</tbody></table>"
    body = spoken.get("requestBody", {}).get("content", {})
    for kind, content in body.items():
        yield f"<p>Body: <code>{escape(kind)}</code>, {_form(content.get('schema', {}))}</p>"
    yield "<table><thead><tr><th>status<th><th>body</tr></thead><tbody>"
    for status, told in spoken.get("responses", {}).items():
        forms = " or ".join(
            f"<code>{escape(kind)}</code> {_form(content.get('schema', {}))}"
            for kind, content in told.get("content", {}).items()
        )
        yield f"<tr><td>{escape(status)}<td>{escape(told.get('description', ''))}<td>{forms}</tr>"
    yield "</tbody></table></details>"


def _shape(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"<details id='shape-{escape(name)}'><summary><code>{escape(name)}</code></summary>"
    if schema.get("description"):
        yield f"<p>{escape(schema['description'])}</p>"
    if "enum" in schema:
        yield f"<p>{', '.join(f'<code>{escape(str(one))}</code>' for one in schema['enum'])}</p>"
    needed = schema.get("required", ())
    if schema.get("properties"):
        yield "<table><thead><tr><th>field<th>form<th>otherwise</tr></thead><tbody>"
        for field, inner in schema["properties"].items():
            must = " *" if field in needed else ""
            default = escape(json.dumps(inner["default"])) if "default" in inner else ""
            yield (
                f"<tr><td><code>{escape(field)}</code>{must}<td>{_form(inner)}"
                f"<td><code>{default}</code></tr>"
            )
        yield "</tbody></table>"
    for example in schema.get("examples", ()):
        yield f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"
    yield "</details>"


_BOUNDS: Final = (
    ("minimum", "≥ {}"), ("exclusiveMinimum", "> {}"), ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"), ("minLength", "≥ {} characters"),
    ("maxLength", "≤ {} characters"), ("minItems", "≥ {} entries"), ("maxItems", "≤ {} entries"),
    ("pattern", "like {}"), ("const", "{}"),
)  # fmt: skip


def _form(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href='#shape-{name}'>{name}</a>"
    for key, word in (("anyOf", " or "), ("oneOf", " or "), ("allOf", " and ")):
        if key in schema:
            return word.join(_form(one) for one in schema[key])
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    listed = kind == "array"
    kind = f"list of {_form(schema.get('items', {}))}" if listed else escape(str(kind))
    if "enum" in schema:
        kind += ": " + ", ".join(escape(str(one)) for one in schema["enum"])
    bounds = [escape(words.format(schema[key])) for key, words in _BOUNDS if key in schema]
    return f"{kind} <small>{', '.join(bounds)}</small>" if bounds else kind
