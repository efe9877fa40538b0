"""Who paints jobs: this process, or others that are told by a queue."""
