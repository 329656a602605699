"""TLS on the clients' port: what is spoken and what is refused, and a certificate that is replaced while the server runs."""
import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from careteam_client import Client
from certificates import Certificate
from server import Server, room_resources
from websocket_bytes import http_upgrade

HANDSHAKE_SECONDS = 1


@pytest.fixture
def ward():
    """A server with a certificate of its own, which its `certificate` is."""
    with Server(redis=False, settings={"server.handshake_timeout_ms": HANDSHAKE_SECONDS * 1000, "server.send_queue_bytes": 2**20,
                                       "limits.wrong_patient_window_ms": 0}) as server:
        server.certificate = Certificate(server.folder)
        server.settings |= server.certificate.settings()
        server.write_config()
        server.tls = server.certificate.trusted()
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]))
        yield server.start()


def shake_hands(server, context):
    """One handshake, and what came of it: (version, cipher, the certificate's bytes)."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            return secure.version(), secure.cipher()[0], secure.getpeercert(binary_form=True)


def anything_goes(lowest, highest, ciphers="ALL:@SECLEVEL=0"):
    """A client that would take any certificate, and these versions and ciphers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, context.maximum_version = lowest, highest
    context.set_ciphers(ciphers)
    return context


async def works(server, form="json"):
    async with await Client.connect(server, "rao", form) as rao:
        assert (await rao.post("pat", "clinical", "Everybody else goes on")).ok


async def test_a_conversation_over_tls(ward, form):
    """Messages larger than a TLS record, a broken connection, a resumed one; the client checks the sequence and the hash chain."""
    rao = await Client.connect(ward, "rao", form)
    nina = await Client.connect(ward, "nina", form)
    texts = [f"{number} " + "long text " * 1_500 for number in range(12)]
    answers = await asyncio.gather(*(rao.post("pat", "clinical", text) for text in texts[:6]))
    assert all(one.ok for one in answers)
    await nina.has("pat", "clinical", answers[-1].seq)
    nina.cut()
    answers += await asyncio.gather(*(rao.post("pat", "clinical", text) for text in texts[6:]))
    nina = await Client.connect(ward, "nina", form, resume=nina)
    await nina.has("pat", "clinical", answers[-1].seq)
    assert sorted(nina.texts("pat", "clinical")) == sorted(texts)
    refused = await Client.open(ward, "nina", form)
    await refused.hello("no token")
    assert await refused.closed() == 4401
    await rao.close()
    await nina.close()


async def test_attack_04_plain_where_tls_is_configured_is_refused_without_a_word(ward, form):
    got = await http_upgrade(ward.port, protocol=f"careteam.v1.{form}")
    assert got.status == 0
    reader, writer = await asyncio.open_connection("127.0.0.1", ward.port)
    for octets in (b"GET / HTTP/1.1\r\nHost: care.example.org\r\n\r\n", b"\r\n" * 10):
        writer.write(octets)
    try:
        assert await asyncio.wait_for(reader.read(), 3) == b""  # Neither a redirect nor anything else.
    except ConnectionResetError:
        pass
    writer.close()
    assert ward.metrics()["careteam_tls_handshakes_refused_total"] == 2
    await works(ward, form)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_attack_04_old_versions_are_refused(ward, version):
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        shake_hands(ward, anything_goes(version, version))
    await works(ward)


@pytest.mark.parametrize("ciphers", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AECDH-NULL-SHA", "ECDHE-ECDSA-NULL-SHA"])
async def test_attack_04_weak_ciphers_are_refused(ward, ciphers):
    with pytest.raises(ssl.SSLError, match="ALERT_HANDSHAKE_FAILURE"):
        shake_hands(ward, anything_goes(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, ciphers + ":@SECLEVEL=0"))
    await works(ward)


async def test_versions_and_ciphers_that_are_spoken(ward):
    newest = ssl.TLSVersion.TLSv1_3
    assert shake_hands(ward, anything_goes(ssl.TLSVersion.TLSv1, newest))[0] == "TLSv1.3"
    # The server's order counts, not the client's.
    chosen = shake_hands(ward, anything_goes(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"))
    assert chosen[:2] == ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_no_renegotiation_and_no_compression_but_tickets(ward, version):
    """`R` on s_client's input asks for a new handshake, which TLS 1.3 does not know."""
    if version == "-tls1_2":
        done = await asyncio.to_thread(subprocess.run, ["openssl", "s_client", "-connect", f"127.0.0.1:{ward.port}", version, "-comp"], input="R\n",
                                       capture_output=True, text=True, timeout=10)
        said = done.stdout + done.stderr
        assert "RENEGOTIATING" in said and "no renegotiation" in said and "Compression: NONE" in said and done.returncode != 0
    # A ticket saves the handshake's signature; the server keeps nothing for it. With TLS 1.3 it comes with the first bytes that are read.
    context = anything_goes(*([ssl.TLSVersion.TLSv1_2 if version == "-tls1_2" else ssl.TLSVersion.TLSv1_3] * 2))
    kept = None
    for again in (False, True):
        with socket.create_connection(("127.0.0.1", ward.port), timeout=5) as plain, context.wrap_socket(plain, session=kept) as secure:
            assert secure.session_reused == again
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secure.recv(100).startswith(b"HTTP/1.1 404")
            kept = secure.session
    await works(ward)


async def test_attack_06_a_slow_handshake_ends_at_the_deadline(ward):
    for octets in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
        reader, writer = await asyncio.open_connection("127.0.0.1", ward.port)
        began = time.monotonic()
        writer.write(octets)
        assert await asyncio.wait_for(reader.read(), HANDSHAKE_SECONDS + 3) == b""
        assert time.monotonic() - began > HANDSHAKE_SECONDS * 0.9
        writer.close()
    # The handshake's time is the request's: who has shaken hands does not begin anew.
    with socket.create_connection(("127.0.0.1", ward.port), timeout=HANDSHAKE_SECONDS + 3) as plain, ward.tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        secure.sendall(b"GET /v1/ws HT")
        try:
            assert await asyncio.to_thread(secure.recv, 100) == b""
        except ssl.SSLEOFError:
            pass
    await works(ward)


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", b"\x17\x03\x03\x00\x20" + b"\0" * 32, b"\x17\x03\x03\xff\xff", b"\x16\x03\x03\x00\x01\x00", b"\x15\x03\x03\x00\x02\x02\x28", b""])
async def test_whoever_breaks_into_a_tls_stream_ends_just_that_one(ward, form, octets):
    """Bytes that are no TLS behind a good handshake and Hello; none: the connection ends without TLS's own goodbye."""
    nina = await Client.connect(ward, "nina", form)
    sock = nina.writer.get_extra_info("socket")
    os.write(sock.fileno(), octets) if octets else sock.shutdown(socket.SHUT_WR)
    assert await nina.closed() == 1006
    end = time.monotonic() + 5
    while ward.metrics()["careteam_sessions"]:
        assert time.monotonic() < end
    await works(ward, form)


async def test_attack_30_a_reader_that_never_reads_over_tls(ward, form):
    deaf = await Client.open(ward, "nina", form, device="deaf", read=False, receive_buffer=4096, limit=4096)
    await deaf.hello(ward.token("nina"))
    async with await Client.connect(ward, "rao", form) as rao:
        sent = 0
        while not ward.metrics()["careteam_slow_consumers_total"]:
            assert sent < 2_000, "the queue has no end"
            answers = await asyncio.gather(*(rao.post("pat", "clinical", f"{number} " + "long text " * 1_500) for number in range(8)))
            assert all(one.ok for one in answers)
            sent += 8
    deaf.start_reading()
    assert await deaf.closed() in (4413, 1006)
    # Whoever reads through a small window gets everything, in many small writes.
    async with await Client.connect(ward, "nina", form, receive_buffer=4096) as patient:
        assert len(patient.texts("pat", "clinical")) == sent


# --- the certificate is replaced ---


def replace(server, chain=None, key=None):
    """Replaces the files as an operator would: each whole, by a rename."""
    for fresh, place in ((chain, server.certificate.chain), (key, server.certificate.key)):
        if fresh is not None:
            shutil.copy2(fresh, server.folder / "coming")
            os.replace(server.folder / "coming", place)


async def test_a_new_certificate_counts_without_a_restart(ward, form):
    old = ssl.PEM_cert_to_DER_cert(ward.certificate.chain.read_text())
    assert shake_hands(ward, ward.tls)[2] == old
    live = await Client.connect(ward, "nina", form)
    expires = ward.metrics()["careteam_certificate_expires_timestamp_seconds"]
    assert abs(expires - time.time() - 30 * 86400) < 600
    other = Certificate(ward.folder, "other", kind="rsa", days=60)
    replace(ward, other.chain, other.key)
    await asyncio.to_thread(ward.logged, "certificate_reloaded")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(ward, ward.tls)
    ward.tls = other.trusted()
    assert shake_hands(ward, ward.tls)[2] == ssl.PEM_cert_to_DER_cert(other.chain.read_text()) != old
    assert ward.metrics()["careteam_certificate_expires_timestamp_seconds"] > expires + 29 * 86400
    assert ward.metrics()["careteam_certificate_reload_failures_total"] == 0
    # Whoever is in stays, on the certificate with which they came.
    assert (await live.post("pat", "clinical", "Still here")).ok
    await live.close()
    await works(ward, form)


@pytest.mark.parametrize("broken", ["chain without its key", "key with a passphrase", "key is gone"])
async def test_a_pair_that_cannot_be_used_changes_nothing(ward, broken):
    before = shake_hands(ward, ward.tls)[2]
    if broken == "chain without its key":
        replace(ward, chain=Certificate(ward.folder, "other").chain)
    elif broken == "key with a passphrase":
        locked = ward.folder / "locked"
        subprocess.run(["openssl", "ec", "-in", ward.certificate.key, "-aes256", "-passout", "pass:secret", "-out", locked], check=True, capture_output=True)
        replace(ward, key=locked)
    else:
        ward.certificate.key.unlink()
    await asyncio.to_thread(ward.logged, "certificate_not_reloaded")
    assert shake_hands(ward, ward.tls)[2] == before
    assert ward.metrics()["careteam_certificate_reload_failures_total"] == 1
    await works(ward)
    # The next good pair counts, and what was wrong was said once.
    other = Certificate(ward.folder, "next")
    replace(ward, other.chain, other.key)
    await asyncio.to_thread(ward.logged, "certificate_reloaded")
    assert shake_hands(ward, other.trusted())[2] != before
    told = [line for line in ward.log_lines() if line["event"] == "certificate_not_reloaded"]
    assert len(told) == 1 and "stays in force" in told[0]["reason"] and re.search(r"one\.(pem|key)", told[0]["reason"])
    assert "PRIVATE" not in ward.log_text() and "secret" not in ward.log_text()


# --- the settings ---


def checked(server, **changes):
    """The faults that `careteam config check` finds with these settings of [server]."""
    server.settings |= {f"server.{name}": value if value is None else str(value) for name, value in changes.items()}
    server.write_config()
    done = server.tool("config", "check", "--config", server.config)
    faults = "".join(line for line in done.stderr.splitlines(keepends=True) if ": note: " not in line)
    assert (done.returncode == 0) == (not faults), done
    return faults


@pytest.fixture
def idle():
    """A configuration whose server does not run, and a certificate that it names."""
    with Server(redis=False, settings={"redis.endpoint": ""}) as server:
        server.certificate = Certificate(server.folder)
        server.settings |= server.certificate.settings()
        yield server


def test_a_certificate_and_its_key_go_together(idle):
    assert checked(idle) == ""
    only_chain = checked(idle, tls_key_file=None)
    assert re.search(r"careteam\.toml:\d+:\d+: server\.tls_certificate_file and server\.tls_key_file go together", only_chain)
    only_key = checked(idle, tls_key_file=idle.certificate.key, tls_certificate_file=None)
    assert re.search(r"careteam\.toml:\d+:\d+: .* go together", only_key)
    assert checked(idle, tls_key_file=None) == ""


def test_config_check_looks_into_the_files(idle):
    other, of_another_kind, bad = Certificate(idle.folder, "other"), Certificate(idle.folder, "rsa", kind="rsa"), idle.folder / "bad"
    bad.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    bad.chmod(0o600)
    for key in (other.key, of_another_kind.key):
        assert f"{key} is not the key of the certificate in {idle.certificate.chain}" in checked(idle, tls_key_file=key)
    for key in (bad, idle.certificate.chain):
        assert f"{key} is no private key that can be used (PEM, without a passphrase)" in checked(idle, tls_key_file=key)
    assert "absent.key cannot be read" in checked(idle, tls_key_file=idle.folder / "absent.key")
    for chain in (bad, "/dev/null", other.key):
        assert f"{chain} is no certificate chain that can be used" in checked(idle, tls_key_file=idle.certificate.key, tls_certificate_file=chain)
    idle.certificate.key.chmod(0o644)
    assert "chmod 600" in checked(idle, tls_certificate_file=idle.certificate.chain)
    expired = Certificate(idle.folder, "expired", days=-1)
    assert "has expired" in checked(idle, tls_certificate_file=expired.chain, tls_key_file=expired.key)


def test_a_server_does_not_start_without_its_certificate(idle):
    idle.settings["server.tls_key_file"] = str(idle.folder / "absent.key")
    idle.write_config()
    idle.launch()
    assert idle.wait() == 1
    assert str(idle.folder / "absent.key") in idle.log_text() and "BEGIN" not in idle.log_text()
