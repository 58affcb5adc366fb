"""The cluster's own certificate authority and the certificate that its servers show.

Elliptic-curve keys, because they take a millisecond to make; every extension that Python 3.13 and later insist on
(RFC 5280: key usage, subject and authority key identifiers).
"""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pocket_cluster.home import write_whole

CA_YEARS = 20
LEAF_DAYS = 365
RENEW_BEFORE_DAYS = 30
DNS_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "pocket")
ADDRESSES = ("127.0.0.1", "10.96.0.1")


def ensure(folder: Path) -> None:
    """Make certificates and keys of the authority and the server where they are missing or damaged; renew in time."""
    if not _is_whole(folder, "ca"):
        _make_authority(folder)
        _make_leaf(folder)
    elif not _is_whole(folder, "server") or _leaf_is_old(folder):
        _make_leaf(folder)


def _leaf_is_old(folder: Path) -> bool:
    """Whether its time runs out, or another authority has issued it."""
    certificate = _certificate(folder, "server")
    try:
        certificate.verify_directly_issued_by(_certificate(folder, "ca"))
    except (ValueError, TypeError, InvalidSignature):
        return True
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return left < datetime.timedelta(days=RENEW_BEFORE_DAYS)


def _is_whole(folder: Path, name: str) -> bool:
    """Whether a certificate and its key can be read and are a pair: a power cut or a copy may have left half of one."""
    try:
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
        is_ours = isinstance(key, ec.EllipticCurvePrivateKey)
        return is_ours and _certificate(folder, name).public_key() == key.public_key()
    except (OSError, ValueError, TypeError):  # the last one: it is encrypted
        return False


def _certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def _make_authority(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("pocket-cluster-ca")
    usage = _usage(digital_signature=True, key_cert_sign=True, crl_sign=True)
    builder = (
        _builder(name, name, key.public_key(), datetime.timedelta(days=365 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    write_whole(folder / "ca.key", _private_pem(key))
    write_whole(folder / "ca.crt", _pem(builder.sign(key, hashes.SHA256())))


def _make_leaf(folder: Path) -> None:
    authority = _certificate(folder, "ca")
    authority_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in DNS_NAMES]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    builder = (
        _builder(_name("pocket-cluster"), authority.subject, key.public_key(), datetime.timedelta(days=LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
    )
    write_whole(folder / "server.key", _private_pem(key))
    write_whole(folder / "server.crt", _pem(builder.sign(authority_key, hashes.SHA256())))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: datetime.timedelta
) -> x509.CertificateBuilder:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + lifetime)
    )


def _usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
