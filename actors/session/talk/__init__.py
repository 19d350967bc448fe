"""The micro-loop of a conversation: what one turn does to everything around it. Pure."""
