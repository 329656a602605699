"""A peer that is gone without a word: no FIN, no RST, nothing. Pings notice it; its session and its presence end, nobody else waits, and whoever it
was resumes without a gap.

As root, the peer's packets are dropped: it lives in a network namespace of its own, at one end of a pair of virtual interfaces whose other
end goes down. Otherwise, and beside it, a peer stays connected and never reads again.
"""
import asyncio
import ctypes
import os
import socket
import subprocess

import pytest
from careteam_client import Client
from server import Server, room_resources
from websocket_bytes import encode_frame

IDLE_SECONDS = 1.0
GONE_SECONDS = 8.0  # Pinged after half, given up after all of the idle time; presence has a lease and a refresh.
CLONE_NEWNET = 0x40000000
HERE, THERE = "10.213.77.1", "10.213.77.2"


@pytest.fixture
def ward():
    with Server(settings={"server.listen": "0.0.0.0:0", "server.idle_timeout_ms": int(IDLE_SECONDS * 1000), "redis.presence_lease_ms": 1000,
                          "redis.presence_refresh_ms": 200, "limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse"), ("rao", "medical-oncologist"), ("irene", "privacy-officer")]))
        yield server.start()


class FarNetwork:
    """A network of its own, reached by a pair of virtual interfaces. It ends with the process that holds it."""

    def __init__(self):
        self.near, self.far = f"ctn{os.getpid() % 100_000}", f"ctf{os.getpid() % 100_000}"
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdin.write(b"\n")
        self.holder.stdin.flush()
        self.holder.stdout.read(1)  # It runs, in its namespace.
        self._ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", str(self.holder.pid))
        self._ip("address", "add", f"{HERE}/30", "dev", self.near)
        self._ip("link", "set", self.near, "up")
        self._ip("address", "add", f"{THERE}/30", "dev", self.far, there=True)
        self._ip("link", "set", self.far, "up", there=True)

    def _ip(self, *words, there=False):
        inside = ["nsenter", "--target", str(self.holder.pid), "--net"] if there else []
        subprocess.run([*inside, "ip", *words], check=True, capture_output=True)

    def connect(self, port):
        """A connection from there. A thread may live in another namespace than its process."""

        def dial():
            with open(f"/proc/{self.holder.pid}/ns/net", "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.create_connection((HERE, port), timeout=5)

        return asyncio.get_running_loop().run_in_executor(None, dial)

    def vanish(self):
        """From now on every packet is lost, in both directions."""
        self._ip("link", "set", self.far, "down", there=True)

    def close(self):
        self.holder.stdin.close()  # The namespace ends, and with its end the other one.
        self.holder.wait(10)


@pytest.fixture
def far_network():
    one = FarNetwork()
    yield one
    one.close()


async def connect_by(sock, server, person, form):
    """A welcomed client on a connected socket."""
    sock.settimeout(5)
    sock.sendall(f"GET /v1/ws HTTP/1.1\r\nHost: {HERE}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: careteam.v1.{form}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    client = Client(person, form, device="far")
    client.reader, client.writer = await asyncio.open_connection(sock=sock)
    client.start_reading()
    await client.hello(server.token(person))
    await client.until(lambda: client.welcome)
    await client.synced()
    return client


async def sees_the_end(ward, form, nina, vanish):
    """What everybody else sees while a peer is gone, and what the peer finds when it comes back."""
    rao = await Client.connect(ward, "rao", form)
    irene = await Client.connect(ward, "irene", form)
    await rao.until(lambda: rao.presence.get("nina") == "STATE_ONLINE")
    session = nina.welcome["sessionId"]
    assert any(session in line for line in ward.tool("sessions", "--config", ward.config).stdout.splitlines())
    before = nina.head("pat", "clinical")
    await asyncio.to_thread(vanish)
    began = asyncio.get_running_loop().time()
    # Those who are there go on while the server still holds the dead connection.
    answers = [await rao.post("pat", "clinical", f"Said into the dark {number} ({form})") for number in range(20)]
    assert all(one.ok for one in answers)
    await rao.until(lambda: rao.presence.get("nina") == "STATE_OFFLINE", GONE_SECONDS)
    assert asyncio.get_running_loop().time() - began > IDLE_SECONDS / 2, "a silent connection was given up too early"
    assert session not in ward.tool("sessions", "--config", ward.config).stdout
    assert ward.metrics()["careteam_sessions"] == 2
    await irene.until(lambda: any(one.get("sessionClosed", {}).get("sessionId") == session for one in irene.entries("pat", "audit")))
    assert before == nina.head("pat", "clinical"), "the peer was not gone"
    async with await Client.connect(ward, "nina", form, device="far", resume=nina) as again:
        assert again.head("pat", "clinical") >= answers[-1].seq
        assert again.entries("pat", "clinical") == rao.entries("pat", "clinical")
    for one in (rao, irene):
        assert one.close_code is None
        await one.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="dropping packets needs root; the other test does without")
async def test_a_peer_whose_packets_are_lost(ward, form, far_network):
    nina = await connect_by(await far_network.connect(ward.port), ward, "nina", form)
    await sees_the_end(ward, form, nina, far_network.vanish)
    nina.cut()


async def test_a_peer_that_neither_reads_nor_answers_pings(ward, form):
    nina = await Client.connect(ward, "nina", form, device="far")

    def stop_reading():
        nina._task.get_loop().call_soon_threadsafe(nina._task.cancel)

    await sees_the_end(ward, form, nina, stop_reading)
    nina.cut()


@pytest.mark.parametrize("going_on", [b"", b"x" * 10_000], ids=["silent", "sending"])
async def test_a_peer_that_was_sent_away_and_does_not_leave(ward, form, going_on):
    """It is told the end and keeps its half of the connection: the server does not keep the other half for it."""
    nina = await Client.connect(ward, "nina", form)
    nina._task.cancel()
    nina.writer.write(encode_frame(3, b""))
    end = asyncio.get_running_loop().time() + GONE_SECONDS
    while ward.metrics()["careteam_sessions"]:
        assert asyncio.get_running_loop().time() < end
        nina.writer.write(going_on)
        await asyncio.sleep(0.02)
    told = await asyncio.wait_for(nina.reader.read(4096), 5)
    assert told[-4:] == b"\x88\x02\x03\xea"  # Close, 1002.
    nina.cut()
