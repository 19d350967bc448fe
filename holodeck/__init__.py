"""Holodeck: very many durable learner and NPC sessions at once."""
