"""What a deployment is told: its settings and how it logs.

One law: only the composition root, entry points, benchmarks and tests read this room; actors get
what they need as parameters.
"""

from holodeck.config.logs import configure_logging, redact
from holodeck.config.settings import (
    Settings,
    default_state_dir,
    is_loopback,
    load_settings,
    unknown_variables,
    variable_of,
)

__all__ = [
    "Settings",
    "configure_logging",
    "default_state_dir",
    "is_loopback",
    "load_settings",
    "redact",
    "unknown_variables",
    "variable_of",
]
