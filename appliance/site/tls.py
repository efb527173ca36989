"""Owns the keys of config.yaml about TLS of the listeners: `generate`, or the files of certificates."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from appliance.site.values import GENERATE, FilePath, Part


class Certificate(Part):
    """A certificate and its key."""

    certificate: FilePath = Field(description="The file with the certificate chain, in PEM form.")
    key: FilePath = Field(description="The file with its private key, in PEM form.")


class Tls(Certificate):
    """The certificate that SMTP, submission and POP3 show."""

    others: tuple[Certificate, ...] = Field(
        (), description="More of them, each for clients that ask for a name it bears."
    )


TlsChoice = Annotated[
    Annotated[Literal["generate"], Tag(GENERATE)] | Annotated[Tls, Tag("files")],
    Discriminator(lambda value: "files" if isinstance(value, dict | Tls) else GENERATE),
]
