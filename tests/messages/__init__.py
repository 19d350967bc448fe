"""Contracts, ids, subjects, errors and bytes: pure, no broker."""
