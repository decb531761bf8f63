"""Blocks at the end of a workflow: they shape what is sent, and send nothing themselves."""
