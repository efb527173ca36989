"""Owns the keys of config.yaml about ports: who is listened to, and where."""

from pydantic import Field

from appliance.site.values import Part, Port


class Listen(Part):
    """The ports; null closes one."""

    smtp: Port | None = Field(25, description="The port for mail from other hosts.")
    qmtp: Port | None = Field(
        None, description="The port for mail from other hosts by QMTP, 209; unencrypted, open if it is given."
    )
    qmqp: Port | None = Field(
        None,
        description="The port for mail of `relay: clients` by QMQP, 628; unencrypted, open if it is given.",
    )
    ofmip: Port | None = Field(
        None,
        description="The port where mail of `relay: clients` is mended, 26; unencrypted, open if given.",
    )
    submission: Port | None = Field(
        587,
        description="The port for users' mail to anywhere, by STARTTLS and password; open if `tls` is given.",
    )
    submissions: Port | None = Field(
        465, description="The same with TLS from the first byte; open if `tls` is given."
    )
    pop3: Port | None = Field(110, description="The port for fetching mail.")
    pop3s: Port | None = Field(
        995, description="The port for fetching mail over TLS; open if `tls` is given."
    )
