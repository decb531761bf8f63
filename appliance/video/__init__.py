"""Cameras and clips to frames, and frames back to clips. The one door to av."""
