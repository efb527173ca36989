"""The servers of a world: what a client said is kept to its end, however it left."""

import socket

from tests.support.ports import free_ports
from tests.vectors.smtp_server import Heard, Server, end_all, scripted

SAID = [b"HELO a.test\r\n", *(b"X%d\r\n" % number for number in range(2000)), b"QUIT\r\n"]


def test_all_is_kept_that_a_client_said_who_left_without_listening() -> None:
    heard, (port,) = Heard(), free_ports(1)
    server = Server(("127.0.0.1", port), scripted({}), heard)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"".join(SAID))

    server.end()

    assert SAID == [step["client"] for step in heard.dialogue if "client" in step]


def test_a_message_is_kept_before_its_client_is_told_so() -> None:
    heard, (port,) = Heard(), free_ports(1)
    server = Server(("127.0.0.1", port), scripted({}), heard)
    with (
        socket.create_connection(("127.0.0.1", port)) as client,
        client.makefile("rb") as replies,
    ):
        client.sendall(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nhello\r\n.\r\n")
        while not replies.readline().startswith(b"250 accepted"):
            pass

        assert [([b"<b@b.test>"], b"hello\r\n")] == [
            (mail.rcpt_to, mail.data_as_sent) for mail in heard.mails
        ]

    end_all([server])


def test_connections_are_counted_whose_client_said_nothing() -> None:
    heard, (port,) = Heard(), free_ports(1)
    server = Server(("127.0.0.1", port), scripted({"greet": "close"}), heard)
    for _ in range(3):
        socket.create_connection(("127.0.0.1", port)).close()

    server.end()

    assert 3 == heard.connections
