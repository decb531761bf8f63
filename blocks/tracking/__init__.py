"""Blocks that follow things from frame to frame."""
