"""Blocks that compare where things are with lines and zones."""
