"""The fleet actor's mind: who works with whom, and what that says of the next assignment. Pure."""
