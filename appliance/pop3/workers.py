"""Owns pop3d's workers: a process for each owner of mailboxes, forked, become him for good, kept while busy.

A worker that had no session for a while is let go: pop3d closes the channel, the worker ends. It is pop3d
that counts the sessions, so none is let go that is about to get another.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections import deque
from dataclasses import dataclass, field

from appliance.pop3 import worker
from appliance.system import log
from appliance.system.privileges import Identity, become_identity, is_root

KEEP_SECONDS = 120.0
MOST_WAITING = 1024  # connections that a worker has not taken yet
_STOP_SECONDS = 2.0  # a container is given 10 s to stop all its daemons, one by one


@dataclass(slots=True)
class _Running:
    channel: socket.socket
    sessions: int = 0
    waiting: deque[tuple[bytes, int]] = field(default_factory=deque)
    letting_go: asyncio.TimerHandle | None = None


class Workers:
    """The processes that have a session, or had one lately."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running: dict[Identity, _Running] = {}
        self._pids: set[int] = set()
        self._all_ended = asyncio.Event()
        self._loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def hand(self, identity: Identity, payload: bytes, descriptor: int) -> None:
        """Give a connection to the owner's worker; OSError if he keeps too many waiting, or has none."""
        running = self._running.get(identity)
        if running is None:
            running = self._running[identity] = self._start(identity)
        if running.letting_go is not None:
            running.letting_go.cancel()
            running.letting_go = None
        if len(running.waiting) >= MOST_WAITING:
            raise BlockingIOError("the worker does not keep up")
        running.sessions += 1
        running.waiting.append((payload, os.dup(descriptor)))
        self._send(identity, running)

    def _send(self, identity: Identity, running: _Running) -> None:
        """Hand over what waits; the kernel takes ten at a time (net.unix.max_dgram_qlen)."""
        self._loop.remove_writer(running.channel)
        try:
            while running.waiting:
                payload, descriptor = running.waiting[0]
                socket.send_fds(running.channel, [payload], [descriptor])
                running.waiting.popleft()
                os.close(descriptor)
        except BlockingIOError:
            self._loop.add_writer(running.channel, self._send, identity, running)
        except OSError as error:  # it died; who comes again finds another
            log.line(f"warning: lost the worker of uid {identity.uid}: {error.strerror}")
            self._let_go(identity, running.channel)

    async def stop(self) -> None:
        """Have all workers end their sessions, and wait for them."""
        for pid in self._pids:
            os.kill(pid, signal.SIGTERM)
        if self._pids:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_ended.wait(), _STOP_SECONDS)
        for pid in self._pids:
            os.kill(pid, signal.SIGKILL)

    def _start(self, identity: Identity) -> _Running:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.setblocking(False)
        there.setblocking(False)
        pid = os.fork()
        if pid == 0:
            _work(there, identity)
        there.close()
        self._pids.add(pid)
        self._all_ended.clear()
        self._loop.add_reader(here, self._hear, identity, here)
        return _Running(here)

    def _hear(self, identity: Identity, channel: socket.socket) -> None:
        try:
            ended = channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            ended = b""
        if ended:
            self._ended(identity, len(ended))
        else:
            self._let_go(identity, channel)

    def _ended(self, identity: Identity, sessions: int) -> None:
        running = self._running.get(identity)
        if running is None:
            return
        running.sessions -= sessions
        if running.sessions <= 0 and running.letting_go is None:
            running.letting_go = self._loop.call_later(KEEP_SECONDS, self._let_go, identity, running.channel)

    def _let_go(self, identity: Identity, channel: socket.socket) -> None:
        self._loop.remove_reader(channel)
        self._loop.remove_writer(channel)
        running = self._running.get(identity)
        if running is not None and running.channel is channel:
            del self._running[identity]
            for _, descriptor in running.waiting:
                os.close(descriptor)
            running.waiting.clear()
        channel.close()

    def _reap(self) -> None:
        for pid in list(self._pids):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                self._pids.discard(pid)
                if status:
                    log.line(f"warning: worker {pid} ended with status {status}; its sessions are lost")
        if not self._pids:
            self._all_ended.set()


def _work(channel: socket.socket, identity: Identity) -> None:
    """The child: keep nothing of pop3d but the channel and standard error, then be the worker."""
    status = 111
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # The loop of pop3d is not closed, only its descriptors are: closing it would undo, in the epoll set
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
