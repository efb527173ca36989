"""Owns signals as a loop with select sees them: HUP and TERM are two flags, and a socket that wakes it."""

import signal
import socket


class Signals:
    """HUP and TERM (or Ctrl-C) end nothing from now on; who selects on `reader` looks at the flags."""

    def __init__(self) -> None:
        self.reader, self._writer = socket.socketpair()
        for end in (self.reader, self._writer):
            end.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self.hang_up = False
        self.terminate = False
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def close(self) -> None:
        """Wake nobody any more; what the signals do stays as it is."""
        signal.set_wakeup_fd(-1)
        self.reader.close()
        self._writer.close()

    def _note(self, number: int, _: object) -> None:
        if number == signal.SIGHUP:
            self.hang_up = True
        else:
            self.terminate = True

    def drain(self) -> None:
        """What woke us says nothing: the flags do."""
        self.reader.recv(4096)

    def take_hang_up(self) -> bool:
        """Whether HUP has come since this was asked last."""
        came, self.hang_up = self.hang_up, False
        return came
