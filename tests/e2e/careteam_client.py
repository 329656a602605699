"""A client of the wire protocol for tests: both subprotocols behind one interface, on a minimal WebSocket of its own.

    nina = await Client.connect(server, "nina", form="proto")
    answer = await nina.post("rosa", "shared", "Good morning")
    await nina.until(lambda: nina.head("rosa", "shared") >= answer.seq)

Messages are dictionaries in protobuf's JSON mapping, whichever subprotocol is spoken. What the protocol promises is checked as it arrives:
entries without a gap or a duplicate, and (proto) the hash chain against the head that the server named. A broken promise fails the next
call that waits. Waiting is for events with a deadline, never for time to pass.
"""
import asyncio
import base64
import hashlib
import json
import pathlib
import secrets
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import atexit

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _load_messages():
    folder = tempfile.mkdtemp(prefix="ct-proto-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = sorted((ROOT / "proto/careteam/v1").glob("*.proto"))
    subprocess.run(["protoc", f"--proto_path={ROOT / 'proto'}", f"--python_out={folder}", *map(str, files)], check=True)
    sys.path.insert(0, folder)
    from careteam.v1 import entries_pb2, wire_pb2
    return wire_pb2, entries_pb2


wire_pb2, entries_pb2 = _load_messages()
from google.protobuf import json_format  # noqa: E402

from websocket_bytes import BINARY, CLOSE, PING, PONG, TEXT, TIMEOUT, BrokenPromise, encode_frame, http_upgrade  # noqa: E402

INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED = 3, 5, 6, 7
RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED, OUT_OF_RANGE, UNAVAILABLE, UNAUTHENTICATED = 8, 9, 10, 11, 14, 16

said = set()  # Every text that a test sent; none of them may be in a log.


def uuid7():
    octets = bytearray(int(time.time() * 1000).to_bytes(6, "big") + secrets.token_bytes(10))
    octets[6] = 0x70 | octets[6] & 0x0F
    octets[8] = 0x80 | octets[8] & 0x3F
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def stream_name(short):
    """'shared' or 'STREAM_SHARED' -> 'STREAM_SHARED'."""
    return short if short.startswith("STREAM_") else "STREAM_" + short.upper()


def role_name(short):
    return short if short.startswith("ROLE_") else "ROLE_" + short.upper()


def named(record):
    """How a frame names a record: 'rosa' is a patient's, 'duty/onc-rn' a duty's, '' the organisation's."""
    if record.startswith("duty/"):
        return {"dutyId": record.removeprefix("duty/")}
    return {"patientId": record} if record else {}


def record_of(one):
    """The record that a frame or an entry names."""
    return f"duty/{one['dutyId']}" if one.get("dutyId") else one.get("patientId", "")


def number(value):
    """A uint64 of the JSON mapping; absent is 0."""
    return int(value or 0)


def _remember_texts(value):
    if isinstance(value, str):
        if " " in value and len(value) >= 12:
            said.add(value)
    elif isinstance(value, dict):
        for one in value.values():
            _remember_texts(one)
    elif isinstance(value, list):
        for one in value:
            _remember_texts(one)


class Closed(Exception):
    """The connection ended. `code`: the close code, 1006 without one. `client`: what came before."""

    def __init__(self, code, client=None):
        super().__init__(f"closed with {code}")
        self.code = code
        self.client = client


class Answer:
    """The one answer to a command or request: Committed, Refused, or Fetched/Roster in `more`."""

    def __init__(self, kind, raw):
        self.kind = kind
        self.raw = raw

    @property
    def ok(self):
        return self.kind != "refused"

    @property
    def seq(self):
        return number(self.raw.get("seq"))

    @property
    def stream(self):
        return self.raw.get("stream")

    @property
    def code(self):
        return self.raw.get("code", 0) if self.kind == "refused" else 0

    @property
    def field(self):
        return self.raw.get("field", "")

    @property
    def message(self):
        return self.raw.get("message", "")

    @property
    def confirm_token(self):
        return self.raw.get("confirmToken", "")

    def __eq__(self, other):
        return isinstance(other, Answer) and (self.kind, self.raw) == (other.kind, other.raw)

    def __repr__(self):
        return f"{self.kind} {self.raw}"


def raw_entries(message):
    """The encoded entries in an encoded ServerFrame, without decoding them: what is hashed are the bytes that were sent."""
    found = []
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(message):
        key = varint()
        if key & 7 != 2:
            raise BrokenPromise(f"a field of wire type {key & 7} in a ServerFrame")
        size = varint()
        if key >> 3 == 1:
            found.append(message[at:at + size])
        at += size
    return found


class Client:
    """One connection of one person on one device."""

    def __init__(self, person="", form="json", device="device-1"):
        if form not in ("json", "proto"):
            raise ValueError(form)
        self.person, self.form, self.device = person, form, device
        self.welcome = None  # The last Welcome.
        self.welcomes = []
        self.access = {}  # (record, stream): StreamAccess of what may be read now.
        self.log = {}  # (record, stream): entries in order.
        self.base = {}  # (record, stream): the seq before log's first entry.
        self.chain = {}  # (record, stream): (seq, chain value); proto only.
        self.expected_chain = {}  # (record, stream): (seq, chain value) as the server named it.
        self.chains_checked = 0
        self.caught_up = {}  # (record, stream): seq.
        self.resets, self.gained, self.revoked, self.cursors, self.receipts, self.rosters = [], [], [], [], [], []
        self.presence = {}  # person: the last state.
        self.refused = []  # Refusals, in order (also those that answer a command).
        self.committed = {}  # command id: [Committed, ...].
        self.drain = None
        self.transcript = []  # The payload of each message, as it came.
        self.messages = []  # The same, read.
        self.pongs = 0
        self.pings = 0  # Those that the server sent; each was answered.
        self.close_code = None
        self.fault = None
        self._answers = {}
        self._changed = asyncio.Condition()
        self._task = None
        self.reader = self.writer = None

    # --- connecting ---

    @classmethod
    async def open(cls, server, person="", form="json", device="device-1", headers=None, receive_buffer=None, limit=2**20, read=True):
        """Upgrades and says nothing yet. read=False: nothing is read until start_reading(). `server` tells the port, and `tls`."""
        self = cls(person, form, device)
        got = await http_upgrade(server.port, protocol=f"careteam.v1.{form}", headers=headers, receive_buffer=receive_buffer, limit=limit,
                                 tls=server.tls)
        if got.status != 101:
            raise ConnectionError(f"upgrade refused: {got.status} {got.body!r}")
        self.reader, self.writer = got.reader, got.writer
        if read:
            self.start_reading()
        return self

    @classmethod
    async def connect(cls, server, person, form="json", device="device-1", resume=None, epoch=None, token=None, acting_role=None, sync=True,
                      **options):
        """Opens, says Hello, waits for Welcome and (sync) for every stream to be caught up.

        resume: a Client to go on from (its epoch, positions and what it holds), or {(patient, stream): seq}.
        Raises Closed when the server closes instead.
        """
        token = token or server.token(person)
        self = await cls.open(server, person, form, device, **options)
        await self.hello(token, resume, epoch, acting_role)
        await self.until(lambda: self.welcome)
        if sync:
            await self.synced()
        return self

    async def hello(self, token, resume=None, epoch=None, acting_role=None):
        frame = {"token": token, "deviceId": self.device}
        if isinstance(resume, Client):
            epoch = resume.welcome["epoch"] if epoch is None else epoch
            self.log = {key: list(entries) for key, entries in resume.log.items()}
            self.base = dict(resume.base)
            self.chain = dict(resume.chain)
            resume = {key: self.head(*key) for key in self.log}
        else:
            for (patient, stream), seq in (resume or {}).items():
                self.base[patient, stream_name(stream)] = seq
        if resume:
            frame["resume"] = [{**named(record), "stream": stream_name(stream), "seq": str(seq)} for (record, stream), seq in resume.items()]
        if epoch:
            frame["epoch"] = epoch
        if acting_role:
            frame["actingRole"] = role_name(acting_role)
        await self.send({"hello": frame})

    def start_reading(self):
        self._task = asyncio.create_task(self._read())

    # --- sending ---

    def encode(self, frame):
        """A ClientFrame, given as a dictionary, in this client's subprotocol."""
        if self.form == "json":
            return json.dumps(frame).encode()
        return json_format.ParseDict(frame, wire_pb2.ClientFrame()).SerializeToString()

    async def send(self, frame):
        _remember_texts(frame.get("command"))
        await self.send_payload(self.encode(frame))

    async def send_payload(self, payload, opcode=None, **options):
        """One message with any payload. The options are encode_frame's."""
        await self.send_bytes(encode_frame(opcode or (TEXT if self.form == "json" else BINARY), payload, **options))

    async def send_bytes(self, octets):
        """Any bytes on the connection."""
        self.writer.write(octets)
        await self.writer.drain()

    async def send_cut(self, frame, size):
        """The first `size` bytes of a message's frame, then the connection breaks."""
        opcode = TEXT if self.form == "json" else BINARY
        await self.send_bytes(encode_frame(opcode, self.encode(frame))[:size])
        self.cut()

    def command_frame(self, record, action, command_id=None, confirm=None):
        """({"command": ...}, its id). `action`: {"postMessage": {...}}."""
        command_id = command_id or uuid7()
        command = {"commandId": command_id, **named(record), **action}
        if confirm:
            command["confirmPatient"] = confirm
        return {"command": command}, command_id

    async def command(self, record, action, command_id=None, confirm=None, timeout=TIMEOUT):
        """Sends a command and waits for its one answer."""
        frame, command_id = self.command_frame(record, action, command_id, confirm)
        return await self.ask(frame, command_id, timeout)

    async def ask(self, frame, answer_id, timeout=TIMEOUT):
        """Sends a frame and waits for the answer with this id."""
        expected = self.expect(answer_id)
        await self.send(frame)
        return await self.answer(expected, timeout)

    def expect(self, answer_id):
        """A future for the next answer with this id, for pipelining: expect, send, answer."""
        waiting = asyncio.get_running_loop().create_future()
        self._answers.setdefault(answer_id, []).append(waiting)
        return waiting

    async def answer(self, expected, timeout=TIMEOUT):
        got = await asyncio.wait_for(expected, timeout)
        self.check()
        return got

    async def post(self, patient, stream, text, command_id=None, confirm=None, priority=None, mentions=None, timeout=TIMEOUT, **more):
        """Posts plain text. mentions: person ids, or role names in capitals. `more`: other fields of PostMessage."""
        body = {"stream": stream_name(stream), "content": {"text": text}, **more}
        if priority:
            body["priority"] = "PRIORITY_" + priority.upper()
        if mentions:
            body["mentions"] = [{"role": role_name(to)} if to.isupper() else {"personId": to} for to in mentions]
        return await self.command(patient, {"postMessage": body}, command_id, confirm, timeout)

    async def acknowledge(self, patient, stream, seq, revision=0, **options):
        body = {"stream": stream_name(stream), "seq": str(seq)}
        if revision:
            body["revisionSeq"] = str(revision)
        return await self.command(patient, {"acknowledgeMessage": body}, **options)

    async def roster(self, patient):
        """The Roster that answers ViewRoster; a refused Answer otherwise."""
        got = await self.command(patient, {"viewRoster": {}})
        if not got.ok:
            return got
        wanted = got.raw["commandId"]
        await self.until(lambda: any(one.get("commandId") == wanted for one in self.rosters))
        return next(one for one in self.rosters if one.get("commandId") == wanted)

    async def cursor(self, patient, stream, received=0, displayed=0, read=0):
        body = {**named(patient), "stream": stream_name(stream)}
        for name, value in (("received", received), ("displayed", displayed), ("read", read)):
            if value:
                body[name] = str(value)
        await self.send({"cursor": body})

    async def fetch(self, patient, stream, first, last, request_id=None, timeout=TIMEOUT):
        request_id = request_id or secrets.token_hex(8)
        body = {"requestId": request_id, **named(patient), "stream": stream_name(stream), "fromSeq": str(first), "toSeq": str(last)}
        return await self.ask({"fetch": body}, request_id, timeout)

    async def fence(self):
        """Returns when everything that the server had put in this connection's queue has arrived, by a request that is refused at once."""
        request_id = "fence-" + secrets.token_hex(8)
        got = await self.ask({"fetch": {"requestId": request_id, "patientId": "no-such-record", "stream": "STREAM_SHARED", "fromSeq": "1", "toSeq": "1"}},
                             request_id)
        if got.code != NOT_FOUND:
            raise BrokenPromise(f"a fetch of a record that does not exist: {got}")
        self.refused = [one for one in self.refused if one.get("commandId") != request_id]

    # --- waiting ---

    def check(self):
        if self.fault:
            raise self.fault

    async def until(self, condition, timeout=TIMEOUT):
        """Waits until the condition holds. Raises Closed when the connection ends first, TimeoutError when it takes too long."""

        def settled():
            return self.fault or condition() or self.close_code is not None

        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(settled), timeout)
            except asyncio.TimeoutError:
                raise TimeoutError(f"{self.person}: waited {timeout} s in vain; {len(self.messages)} messages, last: {self.messages[-1:]}") from None
        self.check()
        result = condition()
        if not result and self.close_code is not None:
            raise Closed(self.close_code, self)
        return result

    async def synced(self, timeout=TIMEOUT):
        """Every stream that may be read has reached the head that the server named."""
        await self.until(lambda: all(key in self.caught_up for key in self.access), timeout)

    async def has(self, patient, stream, seq, timeout=TIMEOUT):
        """Waits for an entry and returns it."""
        await self.until(lambda: self.head(patient, stream) >= seq, timeout)
        return self.entry(patient, stream, seq)

    async def closed(self, timeout=TIMEOUT):
        """Waits for the end of the connection; returns the close code (1006: none was sent)."""
        async with self._changed:
            await asyncio.wait_for(self._changed.wait_for(lambda: self.close_code is not None), timeout)
        self.check()
        return self.close_code

    # --- what is held ---

    def head(self, patient, stream):
        """The last seq that this client holds."""
        key = (patient, stream_name(stream))
        return self.base.get(key, 0) + len(self.log.get(key, []))

    def entries(self, patient, stream):
        return self.log.get((patient, stream_name(stream)), [])

    def entry(self, patient, stream, seq):
        key = (patient, stream_name(stream))
        return self.log[key][seq - self.base.get(key, 0) - 1]

    def texts(self, patient, stream):
        """The plain texts that were posted, in order."""
        return [one["messagePosted"]["content"]["text"] for one in self.entries(patient, stream)
                if "text" in one.get("messagePosted", {}).get("content", {})]

    def streams(self):
        """The (patient, short stream name) pairs that may be read."""
        return {(patient, stream.removeprefix("STREAM_").lower()) for patient, stream in self.access}

    def positions(self):
        return {key: self.head(*key) for key in self.log}

    # --- ending ---

    def cut(self):
        """The connection breaks without a word."""
        if self.close_code is None:
            self.close_code = 1006
        if self._task:
            self._task.cancel()
        sock = self.writer.get_extra_info("socket")
        if sock is not None and self.writer.transport and not self.writer.transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self, code=1000):
        """Closes in order."""
        if self.close_code is None:
            try:
                await self.send_payload(struct.pack(">H", code), opcode=CLOSE)
                await self.closed(3)
            except (ConnectionError, asyncio.TimeoutError):
                pass
        if self._task:
            self._task.cancel()
        self.writer.close()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *failure):
        if failure[0] is None:
            await self.close()
        else:
            self.cut()

    # --- receiving ---

    async def _read(self):
        code = 1006
        parts = b""
        opcode = None
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 0x7F
                if second & 0x80 or first & 0x70:
                    raise BrokenPromise("a masked or extended frame from the server")
                if size == 126:
                    size = struct.unpack(">H", await self.reader.readexactly(2))[0]
                elif size == 127:
                    size = struct.unpack(">Q", await self.reader.readexactly(8))[0]
                payload = await self.reader.readexactly(size)
                kind = first & 0x0F
                if kind == CLOSE:
                    code = struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else 1005
                    self.writer.write(encode_frame(CLOSE, payload[:2]))
                    break
                if kind == PING:
                    self.writer.write(encode_frame(PONG, payload))
                    async with self._changed:
                        self.pings += 1
                        self._changed.notify_all()
                    continue
                if kind == PONG:
                    async with self._changed:
                        self.pongs += 1
                        self._changed.notify_all()
                    continue
                opcode = kind or opcode
                parts += payload
                if not first & 0x80:
                    continue
                message, parts = parts, b""
                if opcode != (TEXT if self.form == "json" else BINARY):
                    raise BrokenPromise(f"opcode {opcode} in subprotocol {self.form}")
                async with self._changed:
                    self._take(message)
                    self._changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        except Exception as failure:  # pylint: disable=broad-except
            self.fault = failure
        async with self._changed:
            if self.close_code is None:
                self.close_code = code
            for waiting in self._answers.values():
                for one in waiting:
                    if not one.done():
                        one.set_exception(self.fault or Closed(self.close_code, self))
                        one.exception()
            self._changed.notify_all()
        self.writer.close()

    def _take(self, message):
        self.transcript.append(message)
        if self.form == "json":
            frame = json.loads(message)
            encoded = None
        else:
            frame = json_format.MessageToDict(wire_pb2.ServerFrame.FromString(message))
            encoded = raw_entries(message)
        self.messages.append(frame)
        if "welcome" in frame:
            self._take_welcome(frame["welcome"])
        for one in frame.get("resets", []):
            # Its entries follow from 1; the head that Welcome named is still what they must lead to.
            for held in (self.base, self.chain):
                held.pop(self._key(one), None)
            self.log[self._key(one)] = []
            self.base[self._key(one)] = max(0, number(self.access.get(self._key(one), {}).get("first")) - 1)
            self.resets.append(one)
        for one in frame.get("revoked", []):
            self._forget(one)
            self.access.pop(self._key(one), None)
            self.caught_up.pop(self._key(one), None)
            self.revoked.append(one)
        for one in frame.get("gained", []):
            self._forget(one)
            self._take_access(one)
            self.gained.append(one)
        for index, one in enumerate(frame.get("entries", [])):
            self._take_entry(one, encoded[index] if encoded is not None else None)
        for one in frame.get("caughtUp", []):
            self.caught_up[self._key(one)] = number(one.get("seq"))
            if self.head(*self._key(one)) < number(one.get("seq")):  # More may stand in the same message: what came live behind it.
                raise BrokenPromise(f"caught up at {one}, but held are {self.head(*self._key(one))}")
        for one in frame.get("presence", []):
            self.presence[one["personId"]] = one["state"]
        self.cursors += frame.get("cursors", [])
        self.receipts += frame.get("receipts", [])
        self.rosters += frame.get("rosters", [])
        self.drain = frame.get("drain", self.drain)
        for one in frame.get("committed", []):
            self.committed.setdefault(one["commandId"], []).append(one)
            self._answered(one["commandId"], Answer("committed", one))
        for one in frame.get("refused", []):
            self.refused.append(one)
            self._answered(one.get("commandId", ""), Answer("refused", one))
        for one in frame.get("fetched", []):
            self._answered(one.get("requestId", ""), Answer("fetched", one))

    def _answered(self, answer_id, answer):
        waiting = self._answers.get(answer_id, [])
        while waiting:
            one = waiting.pop(0)
            if not one.done():
                one.set_result(answer)
                return

    @staticmethod
    def _key(one):
        return record_of(one), one["stream"]

    def _forget(self, one):
        key = self._key(one)
        for held in (self.log, self.base, self.chain, self.expected_chain):
            held.pop(key, None)

    def _take_welcome(self, welcome):
        self.welcome = welcome
        self.welcomes.append(welcome)
        if len(self.welcomes) > 1:
            return  # A renewal tells no streams.
        for one in welcome.get("streams", []):
            self._take_access(one)

    def _take_access(self, one):
        key = self._key(one)
        self.access[key] = one
        after, first = number(one.get("after")), number(one.get("first"))
        if first and after == first - 1 != self.head(*key):
            # What came before an invitation is not this person's: their log begins behind it.
            self._forget(one)
            self.base[key] = after
        if after != self.head(*key):
            if after != 0:
                raise BrokenPromise(f"entries after {after} of {key}, but held are {self.head(*key)}")
            self._forget(one)
        self.log.setdefault(key, [])
        head = number(one.get("head"))
        if head and not first:
            self.expected_chain[key] = (head, base64.b64decode(one["headChain"]))
            self._check_chain(key)

    def _take_entry(self, entry, encoded):
        key = self._key(entry)
        if key not in self.access:
            raise BrokenPromise(f"an entry of {key}, which this person was not told of")
        seq = number(entry["seq"])
        if seq != self.head(*key) + 1:
            raise BrokenPromise(f"entry {seq} of {key} after {self.head(*key)}")
        self.log[key].append(entry)
        if encoded is not None:
            at, value = self.chain.get(key, (0, bytes(32)))
            if at == seq - 1:
                self.chain[key] = (seq, hashlib.sha256(value + encoded).digest())
                self._check_chain(key)

    def _check_chain(self, key):
        seq, value = self.expected_chain[key] if key in self.expected_chain else (0, b"")
        at, mine = self.chain.get(key, (0, bytes(32)))
        if at == seq and seq:
            if mine != value:
                raise BrokenPromise(f"the hash chain of {key} at {seq} differs")
            self.chains_checked += 1
