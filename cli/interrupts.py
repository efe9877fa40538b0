"""Ctrl-C, SIGTERM and SIGHUP: the first asks for an end, the second ends the process at once.

Python runs signal handlers between bytecodes only, and a single iteration may spend a minute inside
ONNX Runtime. So a thread waits for the signals at a socket, where they arrive without delay.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from .console import keep_status, say

Mode = Literal["exit", "finish", "drain", "raise"]
"""What the first signal does: end the process, set ``requested`` (and say what that means for a run
or a server), or raise KeyboardInterrupt."""

MEANINGS: dict[Mode, str] = {
    "finish": "finishing this iteration, then saving",
    "drain": "keeping the jobs that are painted, which go on at the next start",
}


class Interrupts:
    """The signals of this process."""

    def __init__(self) -> None:
        self.exit_code = 0
        """128 + the last signal's number; 0 while there was none."""
        self.saving = threading.Lock()
        """Held while a file is written: until then a signal does not end the process."""
        self._mode: Mode = "exit"

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self.exit_code != 0

    def watch(self) -> None:
        """Take over SIGINT, SIGTERM and SIGHUP; to be called once, by the main thread."""
        receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number and signal.getsignal(number) is not signal.SIG_IGN:  # nohup has it ignored
                signal.signal(number, self._in_main_thread)
        threading.Thread(target=self._wait, args=(receiver,), daemon=True).start()

    @contextmanager
    def mode(self, mode: Mode) -> Iterator[None]:
        """What the first signal does for a while."""
        before, self._mode = self._mode, mode
        try:
            yield
        finally:
            self._mode = before

    def _in_main_thread(self, number: int, frame: object) -> None:
        if self._mode == "raise":
            self.exit_code = 128 + number
            raise KeyboardInterrupt

    def _wait(self, receiver: socket.socket) -> None:
        signals = 0
        while number := receiver.recv(1):
            signals += 1
            self.exit_code = 128 + number[0]
            if signals > 1 or self._mode == "exit":
                self._exit()
            if self._mode in MEANINGS:
                say(f"{MEANINGS[self._mode]}; Ctrl-C again stops at once")

    def _exit(self) -> None:
        with self.saving:
            keep_status()
            os._exit(self.exit_code)


interrupts = Interrupts()
