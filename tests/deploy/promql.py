"""What an expression asks for: the series it selects, and the labels it relies on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import promql_parser as promql


@dataclass(frozen=True, slots=True)
class Asked:
    """What one expression relies on.

    Attributes:
        names: of the series it selects.
        labels: it matches or groups by.
        left: labels of its result, as far as it names any.
    """

    names: frozenset[str]
    labels: frozenset[str]
    left: frozenset[str]


def read(text: str) -> Asked:
    """Reads an expression; what Grafana would put into it has a value.

    Raises:
        ValueError: that is no expression, or selects a series without saying its name.
    """
    names: set[str] = set()
    matched: set[str] = set()
    grouped: set[str] = set()

    def visit(node: promql.Expr) -> None:
        if isinstance(node, promql.VectorSelector):
            if node.name is None:
                raise ValueError(f"a selector without a name: {text}")
            names.add(node.name)
            matched.update(one.name for one in node.matchers.matchers)
        elif isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)

    promql.walk(promql.parse(text.replace("$__rate_interval", "1m")), visit)
    return Asked(frozenset(names), frozenset(matched | grouped), frozenset(grouped - {"le"}))


def faults(text: str, series: Mapping[str, frozenset[str]]) -> list[str]:
    """What is wrong with an expression: what it asks for and nobody exports."""
    try:
        asked = read(text)
    except ValueError as error:
        return [f"{error}: {text}"]
    unknown = asked.names - series.keys()
    if unknown:
        return [f"nobody exports {sorted(unknown)}: {text}"]
    known = frozenset[str]().union(*(series[name] for name in asked.names))
    return [f"no label {one!r} on {sorted(asked.names)}: {text}" for one in asked.labels - known]
