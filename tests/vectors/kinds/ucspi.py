"""Owns the cases of ucspi-tcp's programs: tcpserver with its clients, and the others on their own."""

import ast
import re
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

from tests.support.nameserver import NameServer, Records
from tests.support.waiting import wait_for
from tests.vectors import world
from tests.vectors.case import CannotPlay, Case, Difference, Json, compare, compare_fields, to_bytes
from tests.vectors.normalise import normalised
from tests.vectors.running import PATIENCE_S, Ended, Manner, end, program, run, start
from tests.vectors.world import SCRATCH

PORT = 2600
_CLIENTS = re.compile(
    r"(\d+) client\(s\) connect from ([\d.]+) to ([\d.]+):@PORT@, one after the other(?: sending (b.*))?"
)
_NAME = re.compile(r"([\d.]+) (<?)-> (\S+?)(?: whose A is ([\d.]+))?")
_MKDIR = re.compile(r"mkdir (\w+)")
_RULES = "(tcprules from) "
_PROCESS = re.compile(rb"(?m)^(tcpserver: (?:pid|ok|deny|end)) \d+|^\d+(?= [<>] )")
_EMPTY = SCRATCH / "empty"


def play(case: Case) -> list[Difference]:
    """Run the program where nothing lies, or let it listen, and compare what was said."""
    _EMPTY.mkdir()
    if "clients" in case.expect:
        return compare_fields(case.expect, _serve(case))
    return play_alone(case)


def play_alone(case: Case) -> list[Difference]:
    """Run a program in a folder with the case's files and nothing else."""
    _EMPTY.mkdir(exist_ok=True)
    for sentence in case.setup:
        found = _MKDIR.fullmatch(sentence)
        if not found:
            raise CannotPlay(sentence)
        (_EMPTY / found[1]).mkdir()
    for name, value in case.files.items():
        world.place(_EMPTY / name, value)
    before = world.look(_EMPTY)
    with ExitStack() as stack:
        if case.tool == "tcpclient" and b"@PORT@" in case.argv:
            _answer_one(stack, to_bytes(case.expect["stdout"]))
        ended = run(_command(case), Manner(case.environment, case.user, _EMPTY), case.stdin)
    differences = compare_fields(case.expect, normalised(_shown(ended._asdict())))
    if "expect_files" in case.record:
        made = world.changes(before, world.look(_EMPTY))
        there = {path.removeprefix(f"{_EMPTY}/"): entry for path, entry in made.items()}
        differences += compare("files", case.record["expect_files"], there)
    return differences


def _command(case: Case) -> list[str | bytes]:
    name, *words = (word.replace(b"@PORT@", b"%d" % PORT) for word in case.argv)
    return [program(name.decode()), *words]


def _shown(fields: dict[str, Json]) -> dict[str, Json]:
    return {
        name: _PROCESS.sub(lambda found: (found[1] + b" " if found[1] else b"") + b"{{PID}}", value)
        if isinstance(value, bytes)
        else value
        for name, value in fields.items()
    }


def _answer_one(stack: ExitStack, said: bytes) -> None:
    """A server for one client; cases do not say what it says, but the client prints it."""
    listening = stack.enter_context(socket.create_server(("127.0.0.1", PORT)))

    def answer() -> None:
        with listening.accept()[0] as connection:
            connection.sendall(said)
            while connection.recv(4096):
                pass

    threading.Thread(target=answer, daemon=True).start()


# -- tcpserver -------------------------------------------------------------------------------------


def _serve(case: Case) -> dict[str, Json]:
    found = _CLIENTS.fullmatch("; ".join(case.setup))
    if not found:
        raise CannotPlay("; ".join(case.setup))
    count, source, target, sent = found.groups()
    cdb = _make_rules(case)
    command = [
        word.replace(b"@CDB@", bytes(cdb)) if isinstance(word, bytes) else word for word in _command(case)
    ]
    heard: list[bytes] = []
    ports: list[int] = []
    with ExitStack() as stack, (SCRATCH / "stderr").open("wb+") as stderr:
        if notes := case.record.get("notes", ""):
            stack.enter_context(NameServer(_records(notes), port=53))
        manner = Manner(case.environment, case.user, _EMPTY)
        server = start(command, manner, subprocess.DEVNULL, stderr=stderr)
        wait_for(lambda: server.poll() is not None or _listens(), PATIENCE_S)
        for _ in range(int(count)):
            heard.append(_call(source, target, ast.literal_eval(sent) if sent else b"", ports))
            wait_for(lambda: not _is_at_work(server), PATIENCE_S)
        server.send_signal(signal.SIGTERM)
        ended = end(server)
        stderr.seek(0)
        ended = ended._replace(stderr=stderr.read())
    return _told(ended, heard, ports)


def _told(ended: Ended, heard: list[bytes], ports: list[int]) -> dict[str, Json]:
    fields = _shown({"stdout": ended.stdout, "stderr": ended.stderr})
    placeholders = {PORT: b"@PORT@"} | dict.fromkeys(ports, b"@CLIENTPORT@")
    for port, placeholder in placeholders.items():
        number = re.compile(rb"\b%d\b" % port)
        fields = {name: number.sub(placeholder, text) for name, text in fields.items()}
        heard = [number.sub(placeholder, text) for text in heard]
    return {**fields, "clients": heard}


def _make_rules(case: Case) -> Path:
    cdb = SCRATCH / "rules.cdb"
    for path, value in case.files.items():
        text = to_bytes(value).decode()
        if path != "@CDB@" or not text.startswith(_RULES):
            raise CannotPlay(f"{path}: {text}")
        run([program("tcprules"), str(cdb), f"{cdb}.tmp"], Manner(), text.removeprefix(_RULES).encode())
    return cdb


def _records(notes: str) -> Records:
    """Names by address, told as `127.0.0.5 <-> five.test; 127.0.0.6 -> liar.test whose A is 127.0.0.99`."""
    records: Records = {}
    head, _, sentences = notes.partition(": ")
    for sentence in sentences.removesuffix("; nothing else exists").split("; "):
        found = _NAME.fullmatch(sentence)
        if head != "DNS" or not found:
            raise CannotPlay(notes)
        address, is_mutual, name, other = found.groups()
        records[".".join(reversed(address.split("."))) + ".in-addr.arpa"] = {"PTR": [name]}
        if other or is_mutual:
            records[name] = {"A": [other or address]}
    return records


def _listens() -> bool:
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == PORT for row in rows)


def _call(source: str, target: str, sent: bytes, ports: list[int]) -> bytes:
    try:
        with socket.create_connection((target, PORT), PATIENCE_S, (source, 0)) as client:
            ports.append(client.getsockname()[1])
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: client.recv(4096), b""))
    except OSError as error:
        return str(error).encode()


def _is_at_work(server: "subprocess.Popen[bytes]") -> bool:
    """Whether a connection's process is still there, or its end not told of."""
    if server.poll() is not None:
        return False
    process = Path(f"/proc/{server.pid}")
    children = (process / "task" / str(server.pid) / "children").read_text()
    return bool(children) or "State:\tS" not in (process / "status").read_text()
