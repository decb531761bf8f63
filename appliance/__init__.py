"""A daemon that runs workflow files on camera streams and acts on what they decide."""

__version__ = "0.1.0"
