"""Blocks that ask a model what it sees."""
