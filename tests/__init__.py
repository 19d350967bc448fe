"""The suite; helpers are imported as ``tests.<module>``."""
