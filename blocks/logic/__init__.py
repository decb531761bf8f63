"""Blocks that decide by what is there and what is not."""
