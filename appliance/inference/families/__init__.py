"""Families of models: how pixels become a model's input, and its outputs become detections.

A family is pure: arrays in, arrays out. It knows nothing of files, sessions or threads.
"""
