"""Owns a small name server on loopback: records as text, faults on demand, every question counted.

    with NameServer({"far.test": {"MX": ["10 mx.far.test"]}, "mx.far.test": {"A": ["127.0.0.2"]}}) as names:
        environ = {"TOASTER_NAMESERVER": names.at}

A name that is not listed does not exist; one listed without the kind asked for has no such record. A fault
in place of the kinds is for all of them: SERVFAIL, REFUSED, SILENCE (no answer), HANGUP (the answer does not
fit, and over TCP nothing is said). A CNAME is followed, as the name server of resolv.conf(5) does. `records`
may be changed at any time. As a program:

    python -m tests.support.nameserver --port 5353 --mx far.test=mx.far.test --a mx.far.test=192.0.2.1
"""

import argparse
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

SERVFAIL, REFUSED, SILENCE, HANGUP = "SERVFAIL", "REFUSED", "SILENCE", "HANGUP"

Kinds = dict[str, list[str]]
Records = dict[str, Kinds | str]
TTL_S = 60
UDP_BYTES = 1232


class NameServer:
    """Answers until it is closed; `at` is its address and port, `questions` counts what it was asked."""

    def __init__(self, records: Records, host: str = "127.0.0.1", port: int = 0) -> None:
        self.records = records
        self.ttl_s = TTL_S
        self.questions: Counter[tuple[str, str]] = Counter()
        self.asked: list[tuple[str, str]] = []
        self._udp, self._tcp = _bind(host, port)
        self.port = int(self._udp.getsockname()[1])
        self.at = f"{host}:{self.port}"
        self._is_closed = False
        serving = (self._serve_udp, self._serve_tcp)
        self._threads = [threading.Thread(target=serve, daemon=True) for serve in serving]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering."""
        self._is_closed = True
        for listening, thread in zip((self._udp, self._tcp), self._threads, strict=True):
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)  # wakes the thread
            thread.join(5)  # else it might read from a descriptor that is another's by then
            listening.close()

    def _serve_udp(self) -> None:
        with contextlib.suppress(OSError):
            while not self._is_closed:
                wire, peer = self._udp.recvfrom(4096)
                response = self._respond(wire, by_tcp=False)
                if response:
                    self._udp.sendto(response, peer)

    def _serve_tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with (
                    connection,
                    connection.makefile("rb") as stream,
                    contextlib.suppress(OSError, struct.error),
                ):
                    (size,) = struct.unpack(">H", stream.read(2))
                    response = self._respond(stream.read(size), by_tcp=True)
                    if response:
                        connection.sendall(struct.pack(">H", len(response)) + response)

    def _respond(self, wire: bytes, *, by_tcp: bool) -> bytes:
        """The response's bytes; none at all for silence and noise."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return b""
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        self.questions[name, kind] += 1
        self.asked.append((name, kind))
        response = dns.message.make_response(query, recursion_available=True)
        kinds = self.records.get(name)
        if isinstance(kinds, dict) and kinds.get(kind) in ([SERVFAIL], [REFUSED], [SILENCE]):
            kinds = kinds[kind][0]  # a fault of one kind of record
        if kinds == SILENCE or (kinds == HANGUP and by_tcp):
            return b""
        if isinstance(kinds, str) and kinds != HANGUP:
            response.set_rcode(dns.rcode.from_text(kinds))
        else:
            self._answer(response, name, kind)
        whole = response.to_wire(max_size=65535, want_shuffle=False)
        if kinds == HANGUP or (len(whole) > UDP_BYTES and not by_tcp):
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()
        return whole

    def _answer(self, response: dns.message.Message, name: str, kind: str) -> None:
        for owner in self._aliases(name):
            kinds = self.records.get(owner)
            if not isinstance(kinds, dict):
                response.set_rcode(dns.rcode.NXDOMAIN if kinds is None else dns.rcode.SERVFAIL)
            elif kind in kinds or "CNAME" in kinds:
                found = kind if kind in kinds else "CNAME"
                absolute = dns.name.from_text(owner)
                rrset = dns.rrset.from_text(absolute, self.ttl_s, "IN", found, *map(_absolute, kinds[found]))
                response.answer.append(rrset)
        if not response.answer or response.rcode() == dns.rcode.NXDOMAIN:
            soa = f"ns.{name}. root.{name}. 1 1 1 1 {self.ttl_s}"
            response.authority.append(
                dns.rrset.from_text(dns.name.from_text(name), self.ttl_s, "IN", "SOA", soa)
            )

    def _aliases(self, name: str) -> Iterator[str]:
        for _ in range(8):
            yield name
            kinds = self.records.get(name)
            if not isinstance(kinds, dict) or "CNAME" not in kinds:
                return
            name = kinds["CNAME"][0].rstrip(".")


def _absolute(text: str) -> str:
    """The names in a record are written without their last dot, `10 mx.far.test`; addresses have none."""
    *rest, last = text.split(" ")
    is_name = last != "." and not last.endswith(".") and not last[-1:].isdigit() and ":" not in last
    return " ".join([*rest, last + "." if is_name else last])


def _bind(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """A port that is free for both."""
    for _ in range(20):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind((host, port))
            tcp.bind((host, udp.getsockname()[1]))
            tcp.listen(16)
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
        else:
            return udp, tcp
    raise OSError("no port is free for UDP and TCP")


def main() -> None:
    """Serves the records of the arguments until it is killed."""
    parser = argparse.ArgumentParser(description="a name server for tests")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    kinds = ("mx", "a", "aaaa", "cname", "txt")
    for kind in kinds:
        parser.add_argument(f"--{kind}", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME=SERVFAIL|REFUSED|SILENCE")
    arguments = parser.parse_args()
    records: Records = {}
    for kind in kinds:
        for text in getattr(arguments, kind):
            name, _, value = text.partition("=")
            value = value if kind != "mx" or " " in value else f"10 {value}"
            found = records.setdefault(name, {})
            assert isinstance(found, dict)
            found.setdefault(kind.upper(), []).append(value)
    records |= dict(text.split("=", 1) for text in arguments.fault)
    with NameServer(records, arguments.host, arguments.port) as server:
        print(f"name server at {server.at}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
