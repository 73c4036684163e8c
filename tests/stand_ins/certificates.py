"""A certificate authority for tests, and the certificates that it signs, as PEM files."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """Signs for any name; `file` is what a client trusts."""

    def __init__(self, folder: Path, name: str, now: datetime) -> None:
        self._folder, self._name, self._now = folder, name_of(name), now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._serial = 0
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        whole = self._unsigned(self._name, self._key, now + DAY).add_extension(constraints, critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(pem(whole.sign(self._key, hashes.SHA256())))

    def sign(self, host: str, until: datetime | None = None) -> tuple[Path, Path]:
        """The certificate and the key of a host, or of a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternative = x509.SubjectAlternativeName([x509.DNSName(host)])
        whole = self._unsigned(name_of(host), key, until or self._now + DAY).add_extension(alternative, critical=False)
        self._serial += 1
        certificate, secret = (self._folder / f"{host}-{self._serial}.{kind}" for kind in ("crt", "key"))
        certificate.write_bytes(pem(whole.sign(self._key, hashes.SHA256())))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        secret.chmod(0o600)  # libpq refuses a key that others may read
        return certificate, secret

    def server(self, host: str, until: datetime | None = None, clients: Authority | None = None) -> ssl.SSLContext:
        """What a server of that name needs; with `clients` it lets in only those whom that authority has signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sign(host, until))
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.file)
        return context

    def _unsigned(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(self._now, until) - DAY)
            .not_valid_after(until)
        )


def name_of(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
