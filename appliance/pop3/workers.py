"""Owns pop3d's workers: processes for each owner of mailboxes, forked, become him for good, kept while busy.

A worker that had no session for a while is let go: pop3d closes the channel, the worker ends. It is pop3d
that counts the sessions, so none is let go that is about to get another.
"""

import math
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable
from functools import partial

from appliance.pop3 import worker
from appliance.system import log
from appliance.system.privileges import Identity, become_identity, is_root

KEEP_SECONDS = 120.0
SESSIONS_TOGETHER = 3
"""Sessions of a worker before its owner gets another: threads of a process take turns with Python's lock."""
MOST_WORKERS = min(8, len(os.sched_getaffinity(0)))
"""Of one owner, who with config.yaml owns all mailboxes; more than processors would gain nothing."""
MOST_WAITING = 1024  # connections that a worker has not taken yet
_STOP_SECONDS = 2.0  # a container is given 10 s to stop all its daemons, one by one


class _Running:
    __slots__ = ("channel", "identity", "let_go_at", "sessions", "waiting")

    def __init__(self, identity: Identity, channel: socket.socket) -> None:
        self.identity = identity
        self.channel = channel
        self.sessions = 0
        self.waiting: deque[tuple[bytes, list[int]]] = deque()
        self.let_go_at = math.inf


class Workers:
    """The processes that have a session, or had one lately."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """`selector` belongs to a loop that calls the `data` of what is ready, and `look` now and then."""
        self._selector = selector
        self._running: dict[Identity, list[_Running]] = {}
        self._pids: set[int] = set()
        signal.signal(
            signal.SIGCHLD, lambda number, frame: None
        )  # the loop wakes for what has such a function

    def __len__(self) -> int:
        return len(self._pids)

    def hand(self, identity: Identity, payload: bytes, descriptors: Iterable[int]) -> None:
        """Give a connection to the owner's worker; OSError if he keeps too many waiting, or has none."""
        running = self._of(identity)
        running.let_go_at = math.inf
        if len(running.waiting) >= MOST_WAITING:
            raise BlockingIOError("the worker does not keep up")
        running.sessions += 1
        running.waiting.append((payload, [os.dup(descriptor) for descriptor in descriptors]))
        self._send(running)

    def look(self, now: float) -> None:
        """Bury who has ended, and let go who has had no session for a while; `now` as time.monotonic()."""
        for pid in list(self._pids):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._pids.discard(pid)
                if status:
                    log.line(f"warning: worker {pid} ended with status {status}; its sessions are lost")
        for running in [each for all_of_one in self._running.values() for each in all_of_one]:
            if now >= running.let_go_at:
                self._let_go(running)

    def stop(self) -> None:
        """Have all workers end their sessions, and wait for them."""
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self._pids and time.monotonic() < deadline:
            time.sleep(0.01)
            self.look(0.0)
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)

    def _of(self, identity: Identity) -> _Running:
        """The owner's first worker that is not busy, else a new one, or the one with the fewest sessions."""
        running = self._running.setdefault(identity, [])
        for each in running:
            if each.sessions < SESSIONS_TOGETHER:
                return each
        if len(running) < MOST_WORKERS:
            running.append(self._start(identity))
            return running[-1]
        return min(running, key=lambda each: each.sessions)

    def _start(self, identity: Identity) -> _Running:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.setblocking(False)
        pid = os.fork()
        if pid == 0:
            _work(there, identity)
        there.close()
        self._pids.add(pid)
        running = _Running(identity, here)
        self._selector.register(here, selectors.EVENT_READ, partial(self._act, running))
        return running

    def _act(self, running: _Running) -> None:
        try:
            ended = running.channel.recv(64)
        except BlockingIOError:
            ended = None
        except OSError:
            ended = b""
        if ended is not None:
            running.sessions -= len(ended)
            if not ended:
                self._let_go(running)
                return
            if running.sessions <= 0:
                running.let_go_at = time.monotonic() + KEEP_SECONDS
        if running.waiting:
            self._send(running)

    def _send(self, running: _Running) -> None:
        """Hand over what waits; the kernel takes ten at a time (net.unix.max_dgram_qlen)."""
        events = selectors.EVENT_READ
        try:
            while running.waiting:
                payload, descriptors = running.waiting[0]
                socket.send_fds(running.channel, [payload], descriptors)
                running.waiting.popleft()
                _close(descriptors)
        except BlockingIOError:
            events |= selectors.EVENT_WRITE
        except OSError as error:  # it died; who comes again finds another
            log.line(f"warning: lost the worker of uid {running.identity.uid}: {error.strerror}")
            self._let_go(running)
            return
        self._selector.modify(running.channel, events, partial(self._act, running))

    def _let_go(self, running: _Running) -> None:
        others = self._running.get(running.identity, [])
        if running not in others:
            return  # it was let go in the same turn
        others.remove(running)
        if not others:
            del self._running[running.identity]
        self._selector.unregister(running.channel)
        running.channel.close()
        for _, descriptors in running.waiting:
            _close(descriptors)


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _work(channel: socket.socket, identity: Identity) -> None:
    """The child: keep nothing of pop3d but the channel and standard error, then be the worker."""
    status = 111
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # The selector of pop3d is not told, only its descriptors are closed: it would undo, in the epoll set
        # that both share, what pop3d waits for.
        os.dup2(channel.fileno(), 3)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        if is_root() and 0 in identity:
            raise PermissionError("a mailbox of root's is never opened")
        become_identity(identity)
        os.chdir("/")
        status = worker.run(socket.socket(fileno=3))
    except BaseException as error:  # the top of a process
        log.line(f"alert: worker of uid {identity.uid} failed: {error!r}")
    finally:
        log.flush()
        os._exit(status)
