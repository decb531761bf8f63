"""Blocks that take detections and give detections: gathered, chosen, placed anew."""
