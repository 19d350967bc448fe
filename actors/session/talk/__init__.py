"""A conversation in a world: its rules turn by turn, its beginning and what it came to. Pure."""
