"""How a session is played: character and world, settings, markers, notes, safety. Pure."""
