"""What answers for an NPC."""
