"""The routes below ``/api/v1``, a module for what belongs together.

One law: a route says in its signature who may ask it; none is open to whoever comes.
"""
