"""What is to be done by which worker, when: states and a clock, without Ray.

An engine has workers of two kinds. It tells the schedulers here what has come of what they were
given, and these say what to give them next (docs/adr/0040). Nothing here waits, and nothing takes
longer for there being more workers.
"""

from reelshelf.jobs.engines.scheduling.calls import CallScheduler
from reelshelf.jobs.engines.scheduling.faults import Break, Suspects
from reelshelf.jobs.engines.scheduling.pool import START_S, Pool
from reelshelf.jobs.engines.scheduling.running import Ticket
from reelshelf.jobs.engines.scheduling.scheduler import Scheduler
from reelshelf.jobs.engines.scheduling.videos import VideoScheduler

__all__ = [
    "START_S",
    "Break",
    "CallScheduler",
    "Pool",
    "Scheduler",
    "Suspects",
    "Ticket",
    "VideoScheduler",
]
