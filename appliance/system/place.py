"""Owns the answer to "where does it lie?": the folders of an appliance, from its environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Place(NamedTuple):
    """The folders and files that the daemons and the command share."""

    home: Path
    """qmail's home, /var/qmail: control, users, alias, rules, queue."""
    mail: Path
    """The mail volume: mail/<domain>/<mailbox>/Maildir."""
    state: Path
    """The state volume: rendered trees, generated passwords."""
    run: Path
    """Sockets and pid files; gone after a restart."""
    config: Path
    """The owner's config.yaml."""
    aliases: Path = Path("/etc/aliases")
    """sendmail's aliases, of which newaliases makes aliases.cdb beside them."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Place":
        """The places that TOASTER_HOME, _MAIL, _STATE and so on name; empty or unset: the image's."""
        home = Path(environ.get("TOASTER_HOME") or "/var/qmail")
        return cls(
            home=home,
            mail=Path(environ.get("TOASTER_MAIL") or "/mail"),
            state=Path(environ.get("TOASTER_STATE") or "/var/lib/toaster"),
            run=Path(environ.get("TOASTER_RUN") or home / "run"),
            config=Path(environ.get("TOASTER_CONFIG") or "/etc/toaster/config.yaml"),
            aliases=Path(environ.get("TOASTER_ALIASES") or "/etc/aliases"),
        )

    @property
    def control(self) -> Path:
        """qmail-control(5)."""
        return self.home / "control"

    @property
    def users(self) -> Path:
        """qmail-users(5): assign and cdb."""
        return self.home / "users"

    @property
    def alias(self) -> Path:
        """The home of the user alias."""
        return self.home / "alias"

    @property
    def rules(self) -> Path:
        """tcprules(1): tcp.<listener> and tcp.<listener>.cdb."""
        return self.home / "rules"

    @property
    def queue(self) -> Path:
        """The queue volume."""
        return self.home / "queue"

    @property
    def passwords(self) -> Path:
        """The rendered password hashes, readable by authd alone."""
        return self.home / "passwords"

    @property
    def rates(self) -> Path:
        """What each login has sent, for smtpd alone."""
        return self.state / "rates"

    @property
    def send_down(self) -> Path:
        """There while send is to stay down once it has ended (`svc -d`)."""
        return self.run / "send.down"

    def socket(self, name: str) -> Path:
        """The Unix socket of a station, such as `queue` or `authd`."""
        return self.run / f"{name}.sock"
