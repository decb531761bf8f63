"""The workflow language: a file becomes a definition, a definition a checked plan, a plan runs.

Pure: no file, socket, thread, clock or log. Texts come in, events and values go out.
"""
