"""Blocks that make pictures out of pictures."""
