"""What a broken or hostile client sends. The numbers in the names are those of the list of attacks."""
import asyncio
import base64
import json
import secrets

import pytest

from server import Server, make_key, practitioner_resource, room_resources, session_folder
from careteam_client import FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNAUTHENTICATED, Client, Closed, uuid7
from websocket_bytes import BINARY, PING, TEXT, encode_frame, http_upgrade


@pytest.fixture(scope="module")
def quick():
    """Short deadlines, a small queue, few connections."""
    with Server(demo=True, settings={"server.hello_timeout_ms": 300, "server.handshake_timeout_ms": 400, "server.send_queue_bytes": 262144,
                                     "server.allowed_origins": ["https://app.example.org"], "limits.stat_per_hour": 3}) as server:
        server.import_resources(room_resources("room-a", [("na", "oncology-nurse"), ("oa", "medical-oncologist")]) +
                                room_resources("room-json", [("nurse-json", "oncology-nurse")]) +
                                room_resources("room-proto", [("nurse-proto", "oncology-nurse")]) +
                                [practitioner_resource("two")])
        yield server.start()


# --- the upgrade ---


@pytest.mark.parametrize("origin,status", [("https://evil.example.org", 403), ("null", 403), ("https://app.example.org.evil.org", 403),
                                           ("http://app.example.org", 403), (["https://app.example.org", "https://evil.example.org"], 403),
                                           ("https://app.example.org", 101), (None, 101)])
async def test_attack_01_origin(quick, origin, status):
    got = await http_upgrade(quick.port, headers={"Origin": origin})
    assert got.status == status
    got.writer.close()


async def test_attack_02_token_in_the_query(quick):
    token = quick.token("rosa")
    got = await http_upgrade(quick.port, path=f"/v1/ws?token={token}")
    assert got.status == 400 and b"Hello.token" in got.body and token.encode() not in got.body
    cookie = await http_upgrade(quick.port, path=f"/v1/ws?access_token={token}", headers={"Cookie": f"token={token}", "Authorization": f"Bearer {token}"})
    assert cookie.status == 400
    assert token not in quick.log_text()


@pytest.mark.parametrize("change,status", [
    ({"path": "/"}, 404), ({"path": "/v1/ws/"}, 404), ({"path": "/v2/ws"}, 404), ({"path": "/v1/../v1/ws"}, 404), ({"path": "/metrics"}, 404),
    ({"protocol": None}, 400), ({"protocol": "careteam.v2.json"}, 400), ({"protocol": "chat"}, 400), ({"method": "POST"}, 405),
    ({"headers": {"Sec-WebSocket-Version": "12"}}, 426), ({"headers": {"Upgrade": "h2c"}}, 426), ({"headers": {"Connection": "close"}}, 426),
    ({"headers": {"Content-Length": "5"}, "behind": b"hello"}, 400), ({"headers": {"Transfer-Encoding": "chunked"}, "behind": b"0\r\n\r\n"}, 400),
    ({"behind": b"GET /v1/ws HTTP/1.1\r\n\r\n"}, 400), ({"headers": {"X-Long": "a" * 17_000}}, 431),
    ({"headers": {"X-Long": "a" * 8_200}}, 431), ({"headers": {f"X-Field-{i}": "a" for i in range(101)}}, 431),
    ({"headers": {f"X-Field-{i}": "a" for i in range(90)}}, 101), ({"path": "/" + "a" * 8_200}, 431)])
async def test_attack_05_and_07_wrong_upgrades(quick, change, status):
    got = await http_upgrade(quick.port, **change)
    assert got.status == status
    if "protocol" in change:
        assert b"careteam.v1.proto" in got.body and b"careteam.v1.json" in got.body


async def test_attack_06_a_slow_header(quick):
    got = await http_upgrade(quick.port, headers={"Upgrade": None})
    assert got.status == 426
    reader, writer = await asyncio.open_connection("127.0.0.1", quick.port)
    writer.write(b"GET /v1/ws HT")
    assert await asyncio.wait_for(reader.read(), 3) == b""
    writer.close()


# --- before Hello ---


async def test_attack_03_no_hello(quick, form):
    silent = await Client.open(quick, form=form)
    assert await silent.closed(2) == 4408


async def test_something_else_before_hello(quick, form):
    eager = await Client.open(quick, "rosa", form)
    frame, _ = eager.command_frame("rosa", {"viewRoster": {}})
    await eager.send(frame)
    assert await eager.closed(2) == 4409
    assert eager.messages == []


@pytest.mark.parametrize("hello", [{}, {"token": "x"}, {"deviceId": "d"}, {"token": "a.b.c", "deviceId": "d"}])
async def test_attack_03_wrong_hello(quick, form, hello):
    client = await Client.open(quick, form=form)
    await client.send({"hello": hello})
    assert await client.closed(2) == 4401
    assert [one["code"] for one in client.refused] == [UNAUTHENTICATED]


def forged(token, header=None, payload=None, signature=None):
    """The token with another header, payload or signature."""
    parts = token.split(".")
    for place, value in ((0, header), (1, payload)):
        if value is not None:
            parts[place] = base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    if signature is not None:
        parts[2] = signature
    return ".".join(parts)


def bad_tokens(server):
    good = server.token("rosa")
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    folder = session_folder()
    if not (folder / "foreign.jwk").exists():
        make_key(folder / "foreign.jwk", folder / "foreign-jwks.json")
        # The right key under a name that looks like a path: signed well, and still unknown.
        (folder / "path.jwk").write_text(json.dumps(json.loads((folder / "key.jwk").read_text()) | {"kid": "../../etc/passwd"}))
        (folder / "path.jwk").chmod(0o600)
    return {
        "none": forged(good, header={"alg": "none"}, signature=""), "nOnE": forged(good, header={"alg": "nOnE", "kid": "key-1"}),
        "HS256": forged(good, header={"alg": "HS256", "kid": "key-1"}), "payload": forged(good, payload={**claims, "sub": "nina"}),
        "empty signature": forged(good, signature=""), "zero signature": forged(good, signature="A" * 86), "two parts": good.rsplit(".", 1)[0],
        "four parts": good + ".x", "foreign key": server.token("rosa", key=folder / "foreign.jwk"), "issuer": server.token("rosa", issuer="https://evil.example.org"),
        "audience": server.token("rosa", audience="billing"), "kid": server.token("rosa", key=folder / "path.jwk", kid="../../etc/passwd"),
        "jku": forged(good, header={"alg": "ES256", "kid": "key-1", "jku": "http://127.0.0.1:1/jwks"}), "large": good + "A" * 60_000, "padding": good + "="}


@pytest.mark.parametrize("kind", ["none", "nOnE", "HS256", "payload", "empty signature", "zero signature", "two parts", "four parts", "foreign key",
                                  "issuer", "audience", "kid", "jku", "large", "padding"])
async def test_attack_13_to_16_tokens(quick, kind):
    token = bad_tokens(quick)[kind]
    client = await Client.open(quick, "rosa")
    await client.hello(token)
    assert await client.closed(2) == 4401
    assert [one["code"] for one in client.refused] == [UNAUTHENTICATED] and client.welcome is None


async def test_attack_15_an_expired_token(quick, form):
    token = quick.token("rosa", expires=3)  # Made anew each time: what is short-lived must not have been used up, also where all is slow.
    client = await Client.connect(quick, "rosa", form, token=token)
    assert await client.closed(5) == 4401
    late = await Client.open(quick, "rosa", form)
    await late.hello(token)
    assert await late.closed(2) == 4401


async def test_somebody_without_an_account(quick, form):
    token = quick.token("stranger")
    client = await Client.open(quick, "stranger", form)
    await client.hello(token)
    assert await client.closed(2) == 4403
    assert client.welcome is None


@pytest.mark.parametrize("device", ["", "a" * 65, "with space", "../etc", "a\nb", "\u00e4"])
async def test_device_ids(quick, form, device):
    token = quick.token("rosa")
    client = await Client.open(quick, "rosa", form, device=device)
    await client.hello(token)
    assert await client.closed(2) == 4400


# --- frames ---


async def test_the_other_kind_of_frame(quick, form):
    client = await Client.connect(quick, "rosa", form)
    await client.send_payload(b"{}", opcode=BINARY if form == "json" else TEXT)
    assert await client.closed(2) == 4400


async def test_attack_10_frames_that_never_make_a_message(quick, form):
    """Empty continuations cost nothing and never reach the size of a message: the connection ends all the same."""
    client = await Client.connect(quick, "rosa", form)
    await client.send_bytes(encode_frame(TEXT if form == "json" else BINARY, b"", fin=False))
    flood = encode_frame(0, b"", fin=False) * 1000
    sent = 0
    while client.close_code is None:
        assert sent < 20_000_000
        try:
            await client.send_bytes(flood)
        except ConnectionError:
            break
        sent += len(flood)
    assert await client.closed() == 1006
    async with await Client.connect(quick, "rosa", form) as again:
        await again.fence()


async def test_attack_12_pings_in_a_row_are_harmless(quick):
    async with await Client.connect(quick, "rosa") as rosa:
        await rosa.send_bytes(encode_frame(PING, b"x" * 125) * 50)
        await rosa.fence()


# --- messages ---

BAD_JSON = [b"", b"{", b"null", b"[]", b'"x"', b"42", b'{"foo":1}', b'{"command":5}', b'{"hello":{},"command":{}}', b'{"command":{"patientId":"rosa","foo":1}}',
            b'{"command":{"commandId":"\xc3\x28"}}', b'[' * 30_000, b'{"command":' * 5_000, b'{"cursor":{"read":1e400}}', b'{"cursor":{"read":-1}}',
            b'{"cursor":{"stream":"STREAM_SECRET"}}', b'{"command":{"commandId":"\\ud800"}}', b"{cursor:{read:1,read:2}}", b"{'cursor':{'read':1}}", b'{"cursor":{"read":1,"read":1}}',
            b'{"cursor":{"read":0e400}}', b'{"fetch":{"requestId":"a\\u0000b"}}', b"{" + b",".join(b'"%d":1' % name for name in range(7_000)) + b"}"]
BAD_PROTO = [b"\x0a", b"\xff" * 11, b"\x0a\xff\xff\xff\xff\x0f", b"\x12\x02\x0a", b"\x0b" * 50_000, b"\x80" * 20, b"\x0a\x02ab", b"\x1a\x03\x0a\x01\xff", b"\x7a\x00",
             b"\x0b" * 30_000 + b"\x0c" * 30_000, b"\x1a\x0d\x18" + b"\xff" * 10 + b"\x01\x01", b"\x0b\x10\x02\x1a\x02\x08\x01\x0c",
             b"\x0a\xc0\xbb\x03" + b"\x22\x00" * 28_384]


@pytest.mark.parametrize("kind", ["json", "proto"])
async def test_attack_25_and_26_malformed_messages(quick, kind):
    """Each is refused and the connection survives; the sixteenth one closes it."""
    for start in range(0, len(BAD_JSON if kind == "json" else BAD_PROTO), 12):
        client = await Client.connect(quick, "rosa", kind)
        some = (BAD_JSON if kind == "json" else BAD_PROTO)[start:start + 12]
        refused = 0
        for octets in some:
            if octets == b'{"command":{"commandId":"\xc3\x28"}}':
                continue  # No UTF-8: the WebSocket closes with 1007.
            await client.send_payload(octets)
            refused += 1
            await client.until(lambda: len(client.refused) >= refused)
            assert client.refused[-1]["code"] in (INVALID_ARGUMENT, NOT_FOUND), octets[:40]
        await client.fence()
        await client.close()


async def test_too_many_malformed_messages(quick, form):
    client = await Client.connect(quick, "rosa", form)
    for _ in range(16):
        await client.send_payload(b"\xff" if form == "proto" else b"{")
    assert await client.closed(2) == 4400
    assert len(client.refused) == 16


async def test_unknown_fields_and_enums(quick):
    async with await Client.connect(quick, "nina", "proto") as nina:
        frame, command_id = nina.command_frame("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "has an unknown field"}}})
        encoded = nina.encode(frame)
        body = encoded[1 + (1 if encoded[1] < 128 else 2):] + b"\xf8\x3f\x01"  # Field 1023 of Command.
        expected = nina.expect(command_id)
        size = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
        await nina.send_payload(b"\x12" + size + body)
        answer = await nina.answer(expected)
        assert answer.code == INVALID_ARGUMENT and answer.field.startswith("command")
        # Stream 77, by its number: known to nobody.
        message = b'{"command":{"commandId":"%s","patientId":"rosa","postMessage":{"stream":77,"content":{"text":"in an unknown stream"}}}}'
        async with await Client.connect(quick, "nina", "json", device="device-2") as other:
            one = uuid7()
            expected = other.expect(one)
            await other.send_payload(message % one.encode())
            refusal = await other.answer(expected)
            assert (refusal.code, refusal.field) == (INVALID_ARGUMENT, "command.postMessage.stream")


@pytest.mark.parametrize("patient,action,field", [
    ("rosa", {"postMessage": {"content": {"text": "without a stream"}}}, "stream"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED"}}, "content"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {}}}, "content"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": ""}}}, "content"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "a" * 17_000}}}, "content"),
    ("rosa", {"postMessage": {"stream": "STREAM_AUDIT", "content": {"text": "into the audit"}}}, "stream"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"sbar": {"situation": "only a situation"}}}}, "content"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "stat to nobody"}, "priority": "PRIORITY_STAT"}}, "mentions"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "too many mentions"}, "mentions": [{"personId": "rao"}] * 17}}, "mentions"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "an empty mention"}, "mentions": [{}]}}, "mentions"),
    ("rosa", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "as if imported"}, "imported": {"source": "X/1"}}}, "imported"),
    ("rosa", {"openThread": {"stream": "STREAM_SHARED"}}, "title"),
    ("rosa", {}, ""), ("", {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": "to no record"}}}, "patientId"),
    ("../rosa", {"viewRoster": {}}, "patientId"), ("a" * 65, {"viewRoster": {}}, "patientId"), ("rosa", {"suspendPerson": {"personId": "rao", "reason": "why not"}}, "patientId")])
async def test_fields_that_are_missing_or_wrong(quick, form, patient, action, field):
    async with await Client.connect(quick, "nina", form) as nina:
        before = nina.positions()
        answer = await nina.command(patient, action)
        assert not answer.ok and answer.code in (INVALID_ARGUMENT, NOT_FOUND), answer
        assert field in answer.field
        await nina.fence()
        assert nina.positions() == before


async def test_a_reason_and_a_role_are_required(quick, form):
    async with await Client.connect(quick, "rosa", form) as rosa, await Client.connect(quick, "rao", form) as rao:
        own = await rosa.post("rosa", "shared", f"to be taken back ({form})")
        answer = await rosa.command("rosa", {"retractMessage": {"stream": "STREAM_SHARED", "seq": str(own.seq)}})
        assert (answer.code, answer.field) == (INVALID_ARGUMENT, "retractMessage.reason")
        version = (await rao.roster("rosa"))["rosterVersion"]
        answer = await rao.command("rosa", {"addMember": {"expectedRosterVersion": version, "personId": "two"}})
        assert (answer.code, answer.field) == (INVALID_ARGUMENT, "addMember.role")


@pytest.mark.parametrize("command_id", ["", "1", "not-a-uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "a" * 500, "a" + "\u00e4" * 100])
async def test_command_ids(quick, form, command_id):
    async with await Client.connect(quick, "rosa", form) as rosa:
        await rosa.send({"command": {"commandId": command_id, "patientId": "rosa", "viewRoster": {}}})
        await rosa.until(lambda: rosa.refused)
        assert (rosa.refused[0]["code"], rosa.refused[0]["field"]) == (INVALID_ARGUMENT, "commandId")
        assert len(rosa.refused[0].get("commandId", "")) <= 64


async def test_ids_of_the_wrong_kind(quick, form):
    """A place that is there but holds something else is answered as one that holds nothing."""
    async with await Client.connect(quick, "nina", form) as nina:
        posted = await nina.post("rosa", "shared", f"a message and no thread ({form})")
        thread = await nina.command("rosa", {"openThread": {"stream": "STREAM_SHARED", "title": f"a thread and no message ({form})"}})
        for kind, seq in (("resolveThread", posted.seq), ("resolveThread", 1), ("resolveThread", 10**15), ("acknowledgeMessage", thread.seq), ("acknowledgeMessage", 2),
                          ("acknowledgeMessage", 10**15)):
            answer = await nina.command("rosa", {kind: {"stream": "STREAM_SHARED", "seq": str(seq)}})
            assert (answer.code, answer.field) == (NOT_FOUND, f"{kind}.seq")
        for more in ({"threadSeq": str(posted.seq)}, {"replyToSeq": str(thread.seq)}, {"replyToSeq": "1"}):
            answer = await nina.post("rosa", "shared", "answers nothing at all", **more)
            assert answer.code == NOT_FOUND and answer.field == f"postMessage.{next(iter(more))}"


async def test_stat_messages_are_limited(quick, form):
    nurse = "na"
    async with await Client.connect(quick, nurse, form) as client:
        answers = [await client.post("room-a", "clinical", f"stat message {part} ({form})", priority="stat", mentions=["oa"]) for part in range(4)]
        limited = [answer for answer in answers if not answer.ok]
        assert limited and all((one.code, one.field) == (RESOURCE_EXHAUSTED, "postMessage.priority") for one in limited)
        assert int(limited[-1].raw.get("retryAfterMs", 0)) > 0
        assert (await client.post("room-a", "clinical", f"routine goes on ({form})")).ok


async def test_the_wrong_patient_guard(quick, form):
    person = {"json": "tom", "proto": "claire"}[form]
    async with await Client.connect(quick, person, form) as client:
        assert (await client.post("rosa", "clinical", f"this is about Rosa ({form})")).ok
        guarded = await client.post("mei", "clinical", f"is this about Mei? ({form})")
        assert (guarded.code, guarded.field) == (FAILED_PRECONDITION, "confirmPatient") and guarded.confirm_token
        wrong = await client.post("mei", "clinical", f"is this about Mei? ({form})", confirm="0" * len(guarded.confirm_token))
        assert (wrong.code, wrong.field) == (FAILED_PRECONDITION, "confirmPatient")
        meant = await client.post("mei", "clinical", f"is this about Mei? ({form})", confirm=guarded.confirm_token)
        assert meant.ok
        again = await client.post("rosa", "clinical", "the token is used up by now", confirm=guarded.confirm_token)
        assert again.code == FAILED_PRECONDITION


# --- load ---


async def test_attack_30_a_reader_that_never_reads(quick, form):
    room, nurse = f"room-{form}", f"nurse-{form}"
    deaf = await Client.open(quick, nurse, form, device="deaf", read=False, receive_buffer=4096, limit=4096)
    await deaf.hello(quick.token(nurse))
    async with await Client.connect(quick, nurse, form, device="talking") as talking, await Client.connect(quick, room, form) as patient:
        slow = quick.metrics()["careteam_slow_consumers_total"]
        text = secrets.token_hex(8_000)
        sent = 0
        while quick.metrics()["careteam_slow_consumers_total"] == slow:
            assert sent < 2_000, "the queue has no end"
            frames = [talking.command_frame(room, {"postMessage": {"stream": "STREAM_SHARED", "content": {"text": text}}}) for _ in range(4)]
            waiting = [talking.expect(command_id) for _, command_id in frames]
            for frame, _ in frames:
                await talking.send(frame)
            for one in waiting:
                assert (await talking.answer(one)).ok
            sent += 4
        await patient.until(lambda: patient.head(room, "shared") == talking.head(room, "shared"))
    deaf.start_reading()
    assert await deaf.closed(8) in (4413, 1006)
    if deaf.welcome:
        async with await Client.connect(quick, nurse, form, device="deaf", resume=deaf) as again:
            assert again.head(room, "shared") >= sent


async def test_attack_31_too_many_connections_of_one_person(quick, form):
    clients = [await Client.connect(quick, "okafor", form, device=f"d-{index}", sync=False) for index in range(16)]
    with pytest.raises(Closed) as refused:
        await Client.connect(quick, "okafor", form, device="d-16")
    assert refused.value.code == 4429
    await clients.pop().close()
    async with await Client.connect(quick, "okafor", form, device="d-17"):
        pass
    for client in clients:
        await client.close()
