"""Redis in the hands of somebody else: what can be said to it in our name, what it can answer, and what it gets to know."""
import asyncio
import contextlib
import json
import threading
import time

import careteam_client
import pytest
import server as servers
from careteam_client import Client, entries_pb2, wire_pb2
from server import Server, room_resources

NAMES = ["Rosa Delgado", "Mei Chen", "Luis Delgado"]
INJECTED = "\r\nFLUSHALL\r\nSET marker gone\r\n"
MIB = 1 << 20
# Beyond what a server takes at its start; a reply that was believed would take gigabytes.
LARGEST_GROWTH = 48 * MIB
LINES_EACH = 3  # Connected, lost, and what presence missed by it.


# --- what can be said to it in our name ---


@pytest.mark.parametrize("place", ["subject", "device", "patient", "person"])
async def test_attack_37_line_ends_in_what_becomes_a_key(demo, form, place):
    with demo.redis.connect() as connection:
        assert demo.redis.ask(connection, "SET", "marker", "there") == b"OK"
        if place == "subject":
            asked = demo.tool("token", "--key", servers.session_folder() / "key.jwk", "--kid", servers.KEY_ID, "--issuer", servers.ISSUER, "--audience",
                              servers.AUDIENCE, "--subject", "nina" + INJECTED)
            assert asked.returncode == 1 and not asked.stdout
        elif place == "device":
            nina = await Client.open(demo, "nina", form, device="phone" + INJECTED)
            await nina.hello(demo.token("nina"))
            assert await nina.closed() == 4400
        else:
            async with await Client.connect(demo, "maya", form) as maya:
                action = {"enrollPerson": {"personId": "new" + INJECTED, "name": "Somebody new", "kind": "PERSON_KIND_STAFF"}} if place == "person" else {"viewRoster": {}}
                asked = await maya.command("rosa" + INJECTED if place == "patient" else "", action)
                assert not asked.ok
        # Whoever comes now goes through presence and Redis, behind what was tried.
        async with await Client.connect(demo, "rao", form), await Client.connect(demo, "nina", form) as nina:
            await nina.until(lambda: nina.presence.get("rao") == "STATE_ONLINE")
        assert demo.redis.ask(connection, "GET", "marker") == b"there"
        assert b"FLUSHALL" not in demo.redis.contents()


async def test_attack_37_a_name_with_line_ends_is_not_imported(demo):
    file = demo.folder / "injected.ndjson"
    person = "new" + INJECTED
    file.write_text(json.dumps({"resourceType": "Practitioner", "id": "new-1", "identifier": [{"system": "urn:careteam:person-id", "value": person}],
                                "name": [{"text": "Somebody new"}]}) + "\n")
    done = demo.tool("import", "--config", demo.config, file)
    assert done.returncode == 1 and "\r" not in done.stderr


# --- what it can answer ---

HOSTILE = {
    "many elements": b"*1000000000\r\n", "huge text": b"$999999999999\r\nx", "large text": b"$536870912\r\n" + b"x" * 100_000, "negative count": b"*-7\r\n",
    "endless number": b":" + b"9" * 100_000 + b"\r\n", "deep": b"*1\r\n" * 100_000, "endless line": b"+" + b"a" * (2 * MIB), "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nobody asked": b"+OK\r\n" * 1000, "a message": b"*3\r\n$7\r\nmessage\r\n$11\r\nct:presence\r\n$4\r\n\x01\x01\xff\xff\r\n" * 100,
    "nested bombs": b"*1000\r\n" * 6 + b":1\r\n" * 1000, "error with names": b"-ERR \x1b[31mRosa Delgado\x07\r\n" * 5}


class HostileRedis:
    """Logs everybody in and then answers nonsense, another one each time."""

    def __init__(self, path, nonsense):
        self.path, self.nonsense, self.visits = path, nonsense, 0
        self.visited = asyncio.Condition()

    async def _serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.read(65536)  # CLIENT SETNAME, PING.
            writer.write(b"+OK\r\n+PONG\r\n")
            await reader.read(65536)
            async with self.visited:
                writer.write(self.nonsense[self.visits % len(self.nonsense)])
                self.visits += 1
                self.visited.notify_all()
            await writer.drain()
            await reader.read()
        writer.close()

    async def __aenter__(self):
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *failure):
        self._server.close()

    async def seen(self, count):
        async with self.visited:
            await asyncio.wait_for(self.visited.wait_for(lambda: self.visits >= count), 30)


@pytest.mark.parametrize("start", [0, 1])
async def test_attack_37_hostile_replies(tmp_path, start):
    """The connections for commands and for channels get them in turn; the second time each gets what the other one got."""
    nonsense = list(HOSTILE.values())[start:] + list(HOSTILE.values())[:start]
    with Server(redis=False, settings={"redis.endpoint": f"unix:{tmp_path}/redis.sock"}) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]))
        async with HostileRedis(tmp_path / "redis.sock", nonsense) as redis:
            server.start()
            before = server.memory("VmRSS")
            async with await Client.connect(server, "nina") as nina, await Client.connect(server, "rao") as rao:
                for count in range(1, len(nonsense) + 1):
                    await redis.seen(count)
                    said = await nina.post("pat", "clinical", f"Redis answers nonsense {count}")
                    assert said.ok and await rao.has("pat", "clinical", said.seq)
                await rao.fence()
                assert rao.presence["nina"] == "STATE_UNKNOWN"
            status, text = server.admin("/readyz")
            assert status == 200 and "presence is unknown" in text
            assert servers.sanitized() or server.memory("VmHWM") - before < LARGEST_GROWTH
        assert server.stop()[0] == 0
        lines = [line for line in server.log_text().splitlines() if '"event":"redis"' in line]
        assert 1 <= len(lines) <= LINES_EACH * redis.visits, lines
        assert "Rosa" not in server.log_text() and "\x1b" not in server.log_text()


# --- what it gets to know, and what can be forged in it ---


def forged(seq):
    """A message of Rosa's doctor that was never said, in each form that anybody could take it for."""
    entry = entries_pb2.Entry(patient_id="rosa", stream=1, seq=seq)
    entry.author.person_id, entry.message_posted.content.text, entry.message_posted.text = "rao", "Forged in Redis", "Forged in Redis"
    frame = wire_pb2.ServerFrame(entries=[entry])
    raw = entry.SerializeToString()
    envelope = b"\x01" + b"s" * 16 + (1).to_bytes(8, "big") + seq.to_bytes(8, "big") * 2 + b"\x01" + raw + b"t" * 16
    return [raw, frame.SerializeToString(), envelope, json.dumps({"entries": [{"patientId": "rosa", "stream": "STREAM_SHARED", "seq": str(seq)}]}).encode(), b"\xff" * 300]


async def test_attack_38_what_is_published_in_redis_is_never_delivered(fresh):
    readers = [await Client.connect(fresh, "nina", form, device=form) for form in ("json", "proto")]
    rosa = await Client.connect(fresh, "rosa")
    head = rosa.head("rosa", "shared")
    with fresh.redis.connect() as listening, fresh.redis.connect() as connection:
        channels = fresh.redis.ask(connection, "PUBSUB", "CHANNELS")
        assert channels and all(name.startswith(b"ct:") for name in channels)
        # What the gateway itself has said is recorded, and said again in another order.
        assert fresh.redis.ask(listening, "SUBSCRIBE", *channels)[0] == b"subscribe"
        async with await Client.connect(fresh, "rao"):
            recorded = [fresh.redis.answer(listening) for _ in range(2)]
        for channel in {*channels, b"ct:rosa", b"ct:patient/rosa", b"ct:rec:patient/rosa", b"ct:entries"}:
            for octets in forged(head + 1):
                fresh.redis.ask(connection, "PUBLISH", channel, octets)
            for _, _, octets in reversed(recorded):
                fresh.redis.ask(connection, "PUBLISH", channel, octets)
        # Also as values, under every key that there is.
        for key in fresh.redis.ask(connection, "KEYS", "*"):
            fresh.redis.ask(connection, "DEL", key)
            fresh.redis.ask(connection, "SET", key, forged(head + 1)[0])
    said = await rosa.post("rosa", "shared", "The next one that is true")
    assert said.seq == head + 1
    for one in (*readers, rosa):
        entry = await one.has("rosa", "shared", said.seq)
        assert entry["messagePosted"]["content"]["text"] == "The next one that is true"
        await one.fence()
        assert not any(b"Forged" in message for message in one.transcript)
        await one.close()
    fresh.stop()
    assert fresh.verify().stdout.startswith("sound") and "Forged" not in fresh.log_text()


async def test_attack_38_redis_learns_no_text_and_no_name(fresh):
    """Everything that is sent to Redis during a busy time, and everything that is in it afterwards."""
    passed = bytearray()
    with fresh.redis.connect() as watching:
        assert fresh.redis.ask(watching, "MONITOR") == b"OK"

        def watch():
            with contextlib.suppress(OSError, ValueError):
                while line := watching.readline():
                    passed.extend(line)
                    if b"the watch is over" in line:
                        break

        thread = threading.Thread(target=watch)
        thread.start()
        people = [await Client.connect(fresh, person, form) for person, form in (("nina", "json"), ("rao", "proto"), ("rosa", "json"), ("okafor", "proto"))]
        for number in range(25):
            for one in people[:3]:
                assert (await one.post("rosa", "shared", f"Busy talk about numb fingers {number}")).ok
            await people[0].cursor("rosa", "shared", received=people[0].head("rosa", "shared"), read=people[0].head("rosa", "shared"))
        assert (await people[0].command("rosa", {"openThread": {"stream": "STREAM_CLINICAL", "title": "A thread about the port"}})).ok
        await people[0].roster("rosa")
        end = time.monotonic() + 5  # Changes of presence are gathered before they go to Redis.
        while not (b"PUBLISH" in passed and b"nina" in passed):
            assert time.monotonic() < end, "nothing was seen"
            await asyncio.sleep(0.02)
        for one in people:
            await one.close()
        with fresh.redis.connect() as connection:
            fresh.redis.ask(connection, "ECHO", "the watch is over")
        thread.join(10)
    for place in (bytes(passed), fresh.redis.contents()):
        for secret in [*careteam_client.said, *NAMES, "Busy talk", "numb fingers", "about the port", *servers.issued_tokens]:
            assert secret.encode() not in place, secret
