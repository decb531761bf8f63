"""From an event to the outside system that wants it: the outbox, the loops, the transports."""
