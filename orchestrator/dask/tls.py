"""The files by which the ends of a cluster know each other: mutual TLS with a CA of its own."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from orchestrator.errors import KeyRefused
from orchestrator.names import CLUSTER_FILES

CA, CERTIFICATE, KEY = CLUSTER_FILES
YEARS = 10
"""For which certificates hold."""


def security(folder: Path) -> Any:
    """What Dask is given to speak TLS and nothing else.

    Raises:
        KeyRefused: A file isn't there.
    """
    from distributed.security import Security

    for name in (CA, CERTIFICATE, KEY):
        if not (folder / name).is_file():
            raise KeyRefused(f"{folder / name} isn't there; orch host keys FOLDER makes all three")
    return Security(
        tls_ca_file=str(folder / CA),
        tls_client_cert=str(folder / CERTIFICATE),
        tls_client_key=str(folder / KEY),
        tls_worker_cert=str(folder / CERTIFICATE),
        tls_worker_key=str(folder / KEY),
        tls_scheduler_cert=str(folder / CERTIFICATE),
        tls_scheduler_key=str(folder / KEY),
        require_encryption=True,
    )


def make(folder: Path) -> list[Path]:
    """Make a CA, and one certificate with its key for all ends of a cluster.

    The CA's own key is thrown away: nobody can make a second certificate by it. To let nobody in
    by the old one any more, make new files everywhere.

    Returns:
        The files, with mode 0600.

    Raises:
        KeyRefused: One is there already, or the folder can't be used.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    files = [folder / name for name in (CA, CERTIFICATE, KEY)]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeyRefused(f"{folder} can't be used: {error.strerror}") from error
    for file in files:
        if file.exists():
            raise KeyRefused(f"{file} is there already; take the old ones away first")
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    ends = began + datetime.timedelta(days=365 * YEARS)

    def signed(name: str, public: Any, issuer: str, key: Any, *, is_ca: bool) -> bytes:
        def named(text: str) -> Any:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        made = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named(issuer))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(began)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)

    root, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    private = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    contents = (
        signed("orch hosts CA", root.public_key(), "orch hosts CA", root, is_ca=True),
        signed("orch host", own.public_key(), "orch hosts CA", root, is_ca=False),
        private,
    )
    for file, content in zip(files, contents, strict=True):
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(content)
    return files
