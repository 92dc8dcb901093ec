"""Webhooks by https: the name of the host is verified, and no receiver keeps a worker for long."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jobsui.notifications import targets
from jobsui.notifications.errors import NotDelivered

type Respond = Callable[[ssl.SSLSocket], None]
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
BODY = b"{}"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of "localhost", with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(ssl, "create_default_context", lambda: context)


@pytest.fixture
def serve(certificate: Path, settings: Any) -> Iterator[Callable[[Respond], int]]:
    """Starts a receiver that does this with each connection, and returns its port."""
    settings.NOTIFY_HOSTS = ["localhost", "127.0.0.1"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def start(respond: Respond) -> int:
        def run() -> None:
            try:
                accepted, _ = listener.accept()
                with context.wrap_socket(accepted, server_side=True) as wrapped:
                    received = b""
                    # What is unread when a socket is closed resets the connection.
                    while not received.endswith(BODY) and (part := wrapped.recv(65536)):
                        received += part
                    respond(wrapped)
            except OSError:
                return  # The client has gone, which is what some tests are about.

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        port: int = listener.getsockname()[1]
        return port

    yield start
    listener.close()
    for thread in threads:
        thread.join()


def post(name: str, port: int) -> None:
    targets.post(targets.parse(f"https://{name}:{port}/hook"), BODY, {})


@pytest.mark.usefixtures("trusted")
def test_message_arrives_by_https(serve: Callable[[Respond], int]) -> None:
    port = serve(lambda opened: opened.sendall(ANSWER))

    post("localhost", port)


@pytest.mark.usefixtures("trusted")
def test_certificate_of_another_name_is_refused(
    serve: Callable[[Respond], int],
) -> None:
    port = serve(lambda opened: opened.sendall(ANSWER))

    with pytest.raises(NotDelivered, match="is not valid"):
        post("127.0.0.1", port)


@pytest.mark.usefixtures("trusted")
def test_receiver_that_sends_a_byte_now_and_then_is_left(
    serve: Callable[[Respond], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "MAX_SECONDS", 0.3)
    is_left = threading.Event()

    def drip(opened: ssl.SSLSocket) -> None:
        while not is_left.wait(0.02):
            opened.sendall(b"X")

    port = serve(drip)

    try:
        with pytest.raises(NotDelivered, match="gave no response"):
            post("localhost", port)
    finally:
        is_left.set()
