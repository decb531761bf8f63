"""The commands. Exit status: 0 done, 1 failed at work, 2 refused what it was given, 3 no daemon."""

from appliance.cli.program import main

__all__ = ["main"]
