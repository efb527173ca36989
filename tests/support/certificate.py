"""Owns certificates for tests: self-signed, made on the spot, good for a day unless told otherwise."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM
_HOUR = datetime.timedelta(hours=1)


def self_signed(path: Path, *names: str, days: float = 1, issuer: str = "", is_rsa: bool = False) -> Path:
    """Write key and certificate of names, or sink.test, into one PEM file; self-signed without an issuer.

    It began an hour ago, or an hour before its end; with more than 400 days it begins a year from now.
    """
    key = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
    names = names or ("sink.test",)
    subject = _name(names[0])
    now = datetime.datetime.now(datetime.UTC)
    ends = now + datetime.timedelta(days=days)
    begins = min(now, ends) - _HOUR if days <= 400 else now + datetime.timedelta(days=365)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_name(issuer) if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pkcs8 = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(_PEM, pkcs8, serialization.NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(_PEM))
    return path


def split(both: Path, folder: Path) -> tuple[Path, Path]:
    """Write certificate and key of such a file into fullchain.pem and privkey.pem of a folder."""
    key, begin, certificate = both.read_text().partition("-----BEGIN CERTIFICATE-----")
    fullchain, privkey = folder / "fullchain.pem", folder / "privkey.pem"
    fullchain.write_text(begin + certificate)
    privkey.write_text(key)
    privkey.chmod(0o600)
    return fullchain, privkey


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def server_context(path: Path) -> ssl.SSLContext:
    """How a server with that file encrypts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
