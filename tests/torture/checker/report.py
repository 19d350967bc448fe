"""What a check found, in a form that a person can follow to the place."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be.

    Attributes:
        about: the actor or stream, such as ``session.s-3``.
        text: what is wrong, with the operations, times and sequences it shows in.
    """

    about: str
    text: str

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


@dataclass(slots=True)
class Finding:
    """What one law came to.

    Attributes:
        law: its short name; unit: what ``checked`` counts.
        note: what else is worth knowing, such as what could not be judged.
    """

    law: str
    unit: str
    checked: int = 0
    violations: list[Violation] = field(default_factory=list)
    note: str = ""

    def wrong(self, about: str, text: str) -> None:
        self.violations.append(Violation(about, text))

    @property
    def holds(self) -> bool:
        return not self.violations


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, one for each law that was applied."""

    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        return all(finding.holds for finding in self.findings)

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of the laws that are violated."""
        return tuple(finding.law for finding in self.findings if not finding.holds)

    def of(self, law: str) -> Finding:
        """The finding of one law.

        Raises:
            KeyError: that law was not applied.
        """
        for finding in self.findings:
            if finding.law == law:
                return finding
        raise KeyError(law)

    def __str__(self) -> str:
        lines = []
        for finding in self.findings:
            state = "holds" if finding.holds else f"{len(finding.violations)} VIOLATIONS"
            lines.append(f"{finding.law}: {state}, {finding.checked} {finding.unit}")
            lines += [f"    {violation}" for violation in finding.violations[:5]]
        return "\n".join(lines)


def named(kind: str, identity: str) -> str:
    """How an actor is called in reports."""
    return f"{kind}.{identity}"


__all__ = ["Finding", "Report", "Violation", "named"]
