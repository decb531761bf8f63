"""Blocks that make one of many."""
