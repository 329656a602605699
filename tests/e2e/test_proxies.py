"""CareTeam behind nginx and HAProxy, with the configurations that we ship."""
import asyncio
import base64
import re
import secrets
import socket
import ssl

import pytest
from careteam_client import Client
from proxies import Haproxy, Nginx
from server import Server, room_resources
from websocket_bytes import http_upgrade

CONNECTIONS = 6


@pytest.fixture(scope="module")
def ward():
    """The server: pings after half a second, and takes few connections of one address."""
    with Server(redis=False, settings={"server.trusted_proxies": ["127.0.0.1"], "server.max_connections_per_address": CONNECTIONS, "server.idle_timeout_ms": 1000,
                                       "limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]))
        yield server.start()


@pytest.fixture(scope="module", params=[Nginx, Haproxy], ids=["nginx", "haproxy"])
def proxy(request, ward):
    """The shipped configuration, with a timeout that a test can wait for; the server pings more often."""
    with request.param(ward, timeout="2s") as one:
        yield one


async def test_a_conversation_through_the_proxy(proxy, form):
    rao = await Client.connect(proxy, "rao", form)
    nina = await Client.connect(proxy, "nina", form)
    first = await rao.post("pat", "clinical", f"Through {proxy.name} ({form})")
    assert (await nina.has("pat", "clinical", first.seq))["messagePosted"]["content"]["text"] == f"Through {proxy.name} ({form})"
    nina.cut()
    texts = [f"{number} " + "long text " * 1_500 for number in range(20)]
    answers = await asyncio.gather(*(rao.post("pat", "clinical", text) for text in texts))
    assert all(one.ok for one in answers)
    nina = await Client.connect(proxy, "nina", form, resume=nina)
    await nina.has("pat", "clinical", max(one.seq for one in answers))
    assert nina.entries("pat", "clinical") == rao.entries("pat", "clinical")
    refused = await Client.open(proxy, "nina", form)
    await refused.hello("no token")
    assert await refused.closed() == 4401
    for one in (rao, nina):
        await one.close()


async def test_pings_keep_a_silent_connection_through_the_proxys_timeout(proxy):
    async with await Client.connect(proxy, "nina", "proto") as nina:
        began = asyncio.get_running_loop().time()
        await nina.until(lambda: nina.pings >= 9)
        assert asyncio.get_running_loop().time() - began > 4, "two timeouts have not passed"
        assert (await nina.post("pat", "shared", "After a long silence")).ok


async def test_attack_04_plain_and_old_tls_are_refused(proxy, form):
    got = await http_upgrade(proxy.port, protocol=f"careteam.v1.{form}")
    assert got.status in (0, 400) and "location" not in got.headers
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"), socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as plain:
        context.wrap_socket(plain)


def upgrade_from(address, proxy, forwarded):
    """The status of an upgrade from this address, which claims to come from another; the connection stays while the socket is held."""
    plain = socket.socket()
    plain.settimeout(5)
    plain.bind((address, 0))
    plain.connect(("127.0.0.1", proxy.port))
    secure = proxy.tls.wrap_socket(plain, server_hostname="127.0.0.1")
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    secure.sendall(f"GET /v1/ws HTTP/1.1\r\nHost: care.example.org\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                   f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: careteam.v1.json\r\nX-Forwarded-For: {forwarded}\r\n\r\n".encode())
    return int(secure.recv(4096).split()[1]), secure


def test_attack_08_the_address_behind_the_proxy_counts(proxy):
    held = []
    for number in range(CONNECTIONS):
        status, one = upgrade_from("127.0.0.2", proxy, f"192.0.2.{number}")
        held.append(one)
        assert status == 101
    for address, forwarded, expected in (("127.0.0.2", "192.0.2.200", 429), ("127.0.0.2", "127.0.0.3", 429), ("127.0.0.3", "127.0.0.2", 101)):
        status, one = upgrade_from(address, proxy, forwarded)
        held.append(one)
        assert status == expected, (address, forwarded)
    for one in held:
        one.close()


async def test_attack_02_a_query_is_refused_and_in_no_log(proxy):
    token = proxy.token("rao")
    got = await http_upgrade(proxy.port, path=f"/v1/ws?token={token}", tls=proxy.tls)
    assert got.status == 400 and b"Hello.token" in got.body
    other = await http_upgrade(proxy.port, path="/elsewhere", tls=proxy.tls)
    assert other.status == 404
    end = asyncio.get_running_loop().time() + 5
    while not re.search(r"/elsewhere\S* 404", proxy.log.read_text()):  # Logged after the one with the query.
        assert asyncio.get_running_loop().time() < end, proxy.log.read_text()
        await asyncio.sleep(0.01)
    assert token not in proxy.log.read_text() and re.search(r"/v1/ws\S* 400", proxy.log.read_text())
