"""Many pictures: jobs that wait in a queue and are painted by threads, within one memory budget."""

from .job import Job
from .jobs import Jobs

__all__ = ["Job", "Jobs"]
