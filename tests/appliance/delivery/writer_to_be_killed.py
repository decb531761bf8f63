"""A program for test_outbox.py: writers that put, flush and settle until they are killed.

For each line on the standard input a child is forked, which says its process id and then, after
each flush, how many events it knows to be on disk. Forking saves the time of importing.
"""

import os
import sys
from pathlib import Path

from appliance.clock import SystemClock
from appliance.delivery.outbox import Outbox
from appliance.supervisor import Supervisor
from blocks.data import Event

KEPT, SENT = "kept", "sent"


def write(state_dir: Path) -> None:
    clock = SystemClock()
    outbox = Outbox(state_dir, clock)
    Supervisor(clock).start("outbox", outbox.writer)
    totals = outbox.totals().get(KEPT)
    n = totals.emitted if totals else 0
    while True:
        for _ in range(5):
            n += 1
            for name in (KEPT, SENT):
                event = Event(name, "test", "subject", clock.now(), {"n": n})
                outbox.put([event], source=f"/box/{name}")
        if outbox.flush(30.0):
            print(n, flush=True)
        ids = [row.id for row in outbox.due(SENT, clock.now(), 4)]
        outbox.acknowledge(ids[:2])
        outbox.bury(ids[2:3], "no")
        outbox.postpone(ids[3:], clock.now(), "later")


if __name__ == "__main__":
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            print(f"pid {os.getpid()}", flush=True)
            write(Path(sys.argv[1]))
        os.waitpid(child, 0)
        print("ended", flush=True)
