"""A device with a bad connection: it is cut at any byte, comes back, goes on from what it completely received, and sends what was not answered again.

Whatever it is sent is checked when it arrives: each stream goes on exactly after the last entry, the hash chain is the one that the server
named, an answer is given once for each time a command was sent. What is wrong is written down in `faults` and never raised: the crowd reports it.
"""
import asyncio
import collections
import dataclasses
import hashlib
import json
import os
import random
import socket
import struct

from contract import (AUDIT, CLINICAL, NO_CHAIN, RETRYABLE, SHARED, SUPPORT, ClientFrame, Committed, Entry, PresenceState, Refused, Reset, Welcome,
                      encode_frame, fields_of, uuid7)

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
STREAM_NAMES = {"STREAM_SHARED": SHARED, "STREAM_CLINICAL": CLINICAL, "STREAM_SUPPORT": SUPPORT, "STREAM_AUDIT": AUDIT}
# What a server may close with while it is being disturbed; everything else says that a frame or token was wrong, which none is.
BEARABLE_CLOSES = {1000, 1001, 1006, 4413, 4429, 4450, 4499}
MAX_FAULTS = 20
MAX_PENDING = 4
REMEMBERED = 16  # Answered commands that are sometimes sent once more.
BACKOFF_SECONDS = 0.02
RETRY_SECONDS = 0.2
CALM_LIFE_SECONDS = 20.0
OPENING_SECONDS = 5.0  # Until Welcome.


def upgrade_request(form):
    return (f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: careteam.v1.{form}\r\n\r\n").encode()


@dataclasses.dataclass(frozen=True)
class Member:
    """Who a device belongs to, and what it does."""

    person: str
    device: str
    home: str              # The patient to whose record it posts.
    streams: tuple         # The streams of `home` that it posts to; none: it only reads.
    form: str = "proto"    # Subprotocol.
    is_patient: bool = False


@dataclasses.dataclass(frozen=True)
class Cut:
    """Where a connection ends: after `bytes` of what is sent there or received in all, at the latest `seconds` after Welcome."""

    where: str  # "upgrade", "hello", "command": while sending it; "receive": while receiving.
    bytes: int
    seconds: float


class Cutting(Exception):
    """The connection ends here."""


class Log:
    """A stream as a device holds it."""

    __slots__ = ("head", "chain", "told", "entries", "chains")

    def __init__(self):
        self.head = 0
        self.chain = NO_CHAIN
        self.told = {}     # Chains that the server named: {seq: chain}.
        self.entries = []  # Raw, kept by readers only.
        self.chains = []


def next_link(chain, raw):
    return hashlib.sha256(chain + raw).digest()


def json_link(chain, entry):
    """JSON clients hold no bytes to hash; theirs is a chain over the entries as they understand them."""
    return next_link(chain, json.dumps(entry, sort_keys=True).encode())


class Device:
    early_commands = 0.3  # How often commands do not wait for Welcome.

    def __init__(self, member, port, token, seed, keep=False):
        self.member, self.port, self.token, self.keep = member, port, token, keep
        self.rng = random.Random(f"{seed}/{member.person}/{member.device}")
        self.epoch = ""
        self.logs = {}       # (patient, stream) -> Log
        self.pending = {}    # command_id -> frame, in the order of sending
        self.committed = []  # (command_id, kind, patient, stream, seq, target seq)
        self.refused = []    # (command_id, code)
        self.faults = []
        self.counts = collections.Counter()
        self.presence = {}
        self._remembered = {}  # command_id -> frame
        self._places = {}      # command_id -> (stream, seq), of every committed command
        self._about = {}       # command_id -> (kind, target seq), for pending and remembered ones
        self._others_post = {}
        self._own_post = {}
        self._new_wanted = 0

    def fault(self, text):
        self.counts["faults"] += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(f"{self.member.person}/{self.member.device}: {text}")

    def result(self):
        return {
            "member": self.member, "faults": self.faults, "committed": self.committed, "refused": self.refused, "counts": self.counts,
            "logs": {key: (log.head, log.chain) for key, log in self.logs.items()}, "pending": list(self.pending),
        }

    # --- a life: one connection ---

    def choose_cut(self, longest_seconds):
        where = self.rng.choices(("upgrade", "hello", "command", "receive"), (1, 1, 1 if self.member.streams else 0, 4))[0]
        if where == "receive" and self.rng.random() < 0.7:
            count = int(300 * 200 ** self.rng.random())  # Beyond the answer to the upgrade, up to 60 kB.
        else:
            count = self.rng.randrange(700)
        return Cut(where, count, self.rng.uniform(0.1, 1) * longest_seconds)

    async def live(self, cut, pace, done=None):
        """One connection until it is cut, or (cut is None) until `done()`. `pace`: how many new commands an answer leads to, on average."""
        loop = asyncio.get_running_loop()
        one = socket.socket()
        one.setblocking(False)
        self._end = None
        self._socket, self._buffer, self._left = one, bytearray(), cut.bytes if cut and cut.where == "receive" else None
        self._sent_here, self._welcomed, self._pace = collections.Counter(), False, pace
        try:
            await loop.sock_connect(one, ("127.0.0.1", self.port))
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Ends a wait for bytes, whatever is waited for.
            self._end = loop.call_later(OPENING_SECONDS if cut else CALM_LIFE_SECONDS, self._shut, one)
            await self._session(cut, done)
        except Cutting:
            pass
        except ConnectionRefusedError:
            self.counts["unreachable"] += 1
            await asyncio.sleep(BACKOFF_SECONDS)
        except OSError:
            self.counts["broken_by_server"] += 1
        finally:
            if self._end:
                self._end.cancel()
            if self.rng.random() < 0.5 and cut:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST instead of FIN.
            one.close()
            self._socket = None
        if cut:
            self.counts["cut_" + cut.where] += 1

    def _shut(self, one):
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    async def _send(self, data):
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _receive(self):
        wanted = 65536 if self._left is None else min(65536, self._left)
        if wanted == 0:
            raise Cutting
        data = await asyncio.get_running_loop().sock_recv(self._socket, wanted)
        if not data:
            raise Cutting
        if self._left is not None:
            self._left -= len(data)
        self._buffer += data

    async def _session(self, cut, done):
        where = cut.where if cut else ""
        request = upgrade_request(self.member.form)
        if where == "upgrade":
            await self._send(request[: cut.bytes % len(request)])
            return
        await self._send(request)
        while b"\r\n\r\n" not in self._buffer:
            await self._receive()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        if not head.startswith(b"HTTP/1.1 101 "):
            self.fault(f"upgrade answered by {head.split(chr(13).encode())[0]!r}")
            raise Cutting
        hello = self._hello()
        if where == "hello":
            await self._send(hello[: cut.bytes % len(hello)])
            return
        if self.rng.random() < self.early_commands:
            await self._send(hello + self._commands(where, cut))
            if where == "command":
                return
            await self._until_welcome()
        else:
            await self._send(hello)
            await self._until_welcome()
            await self._send(self._commands(where, cut))
            if where == "command":
                return
        if cut:  # A slow server is not to be left before it has said anything: how long a life is counts from Welcome.
            self._end.cancel()
            self._end = asyncio.get_running_loop().call_later(cut.seconds, self._shut, self._socket)
        while not (done and done()):
            await self._receive()
            self._take_frames()
            if self._new_wanted and cut:
                await self._send(self._new_commands())

    async def _until_welcome(self):
        self._take_frames()
        while not self._welcomed:
            await self._receive()
            self._take_frames()

    # --- what is sent ---

    def _frame(self, message):
        if self.member.form == "proto":
            return encode_frame(BINARY, message.SerializeToString())
        from google.protobuf import json_format
        return encode_frame(TEXT, json_format.MessageToJson(message, indent=0).encode())

    def _hello(self):
        frame = ClientFrame()
        hello = frame.hello
        hello.token, hello.device_id, hello.epoch = self.token, self.member.device, self.epoch
        for (patient, stream), log in self.logs.items():
            if log.head:
                hello.resume.add(patient_id=patient, stream=stream, seq=log.head)
        return self._frame(frame)

    def _note_sent(self, command_id):
        self._sent_here[command_id] += 1
        self.counts["commands_sent"] += 1

    def _commands(self, where, cut):
        """What was not answered, sometimes something that was, and new commands; the last of them is cut."""
        out = b""
        if self._remembered and self.rng.random() < 0.1:
            command_id = self.rng.choice(list(self._remembered))
            self._note_sent(command_id)
            self.counts["repeated"] += 1
            out += self._remembered[command_id]
        for command_id, frame in self.pending.items():
            self._note_sent(command_id)
            out += frame
        if not cut:
            return out
        self._new_wanted = self.rng.choice((0, 1, 1, 2))
        out += self._new_commands()
        if where == "command":
            command_id, frame = self._new_command()
            self.pending[command_id] = frame
            out += frame[: cut.bytes % len(frame)]
        return out

    def _new_commands(self):
        out = b""
        while self._new_wanted and self.member.streams and len(self.pending) < MAX_PENDING:
            self._new_wanted -= 1
            command_id, frame = self._new_command()
            self.pending[command_id] = frame
            self._note_sent(command_id)
            out += frame
        self._new_wanted = 0
        return out

    def _new_command(self):
        command_id = uuid7(self.rng.getrandbits)
        frame = ClientFrame()
        command = frame.command
        command.command_id, command.patient_id = command_id, self.member.home
        stream = self.rng.choice(self.member.streams)
        text = f"{command_id} {'x' * self.rng.choice((0, 0, 10, 200, 1500))}"
        choice = self.rng.random()
        target = 0
        if choice < 0.12 and stream in self._others_post:
            kind, target = "acknowledged", self._others_post[stream]
            command.acknowledge_message.stream, command.acknowledge_message.seq = stream, target
        elif choice < 0.22 and stream in self._own_post:
            kind, target = "edited", self._own_post[stream]
            command.edit_message.stream, command.edit_message.seq = stream, target
            command.edit_message.content.text = text
        else:
            kind = "posted"
            command.post_message.stream, command.post_message.content.text = stream, text
        self._about[command_id] = (kind, target)
        self.counts["commands"] += 1
        return command_id, self._frame(frame)

    def _send_again_soon(self, command_id, one):
        def again():
            if self._socket is not one or command_id not in self.pending:
                return
            try:
                if one.send(self.pending[command_id]) != len(self.pending[command_id]):
                    self._shut(one)
                self._note_sent(command_id)
            except OSError:
                pass  # It is sent again by the next connection.

        asyncio.get_running_loop().call_later(RETRY_SECONDS, again)

    # --- what arrives ---

    def _take_frames(self):
        """Takes all complete frames out of the buffer; what is incomplete when the connection ends was never received."""
        buffer = self._buffer
        at = 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[start : start + 2], "big") if len(buffer) >= start + 2 else None, start + 2
            elif size == 127:
                size, start = int.from_bytes(buffer[start : start + 8], "big") if len(buffer) >= start + 8 else None, start + 8
            if size is None or len(buffer) < start + size:
                break
            opcode, payload = buffer[at] & 0x0F, bytes(buffer[start : start + size])
            at = start + size
            if opcode == PING:
                self._socket.send(encode_frame(PONG, payload))
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
                self.counts[f"closed_{code}"] += 1
                if code not in BEARABLE_CLOSES:
                    self.fault(f"closed with {code}")
                raise Cutting
            elif self.member.form == "proto":
                self._take_message(payload)
            else:
                self._take_json(json.loads(payload))
        del buffer[:at]

    def _take_message(self, message):
        for number, raw in fields_of(message):
            if number == 1:
                entry = Entry.FromString(raw)
                self._take_entry(entry.patient_id, entry.stream, entry.seq, raw, None, entry.HasField("message_posted"), entry.author.person_id)
            elif number == 2:
                one = Committed.FromString(raw)
                self._take_committed(one.command_id, one.patient_id, one.stream, one.seq)
            elif number == 3:
                one = Refused.FromString(raw)
                self._take_refused(one.command_id, one.code, one.field)
            elif number == 4:
                one = Welcome.FromString(raw)
                self._take_welcome(one.epoch, [(s.patient_id, s.stream, s.head, s.head_chain, s.after) for s in one.streams])
            elif number == 5:
                self.fault(f"a reset: {Reset.FromString(raw)}")
            elif number == 8:
                self.fault("access to a stream was revoked")
            elif number == 11:
                one = PresenceState.FromString(raw)
                self._take_presence(one.person_id, one.state)

    def _take_json(self, frame):
        import base64
        welcome = frame.get("welcome")
        if welcome:
            self._take_welcome(welcome["epoch"], [
                (s.get("patientId", ""), STREAM_NAMES[s["stream"]], int(s.get("head", 0)), base64.b64decode(s.get("headChain", "")), int(s.get("after", 0)))
                for s in welcome.get("streams", ())])
        for one in frame.get("resets", ()):
            self.fault(f"a reset: {one}")
        for entry in frame.get("entries", ()):
            self._take_entry(entry.get("patientId", ""), STREAM_NAMES[entry["stream"]], int(entry["seq"]), None, entry, "messagePosted" in entry,
                             entry.get("author", {}).get("personId", ""))
        for one in frame.get("committed", ()):
            self._take_committed(one["commandId"], one.get("patientId", ""), STREAM_NAMES.get(one.get("stream"), 0), int(one.get("seq", 0)))
        for one in frame.get("refused", ()):
            self._take_refused(one.get("commandId", ""), one.get("code", 0), one.get("field", ""))
        for one in frame.get("revoked", ()):
            self.fault(f"access to a stream was revoked: {one}")
        for one in frame.get("presence", ()):
            self._take_presence(one["personId"], one["state"])

    def _take_welcome(self, epoch, streams):
        self._welcomed = True
        self.counts["welcomes"] += 1
        if self.epoch and epoch != self.epoch:
            self.fault("the epoch changed")
        self.epoch = epoch
        for patient, stream, head, chain, after in streams:
            log = self.logs.setdefault((patient, stream), Log())
            if after != log.head:
                self.fault(f"{patient} {stream}: entries follow after {after}, this device holds {log.head}")
            if head < log.head:
                self.fault(f"{patient} {stream}: the head went back to {head}, this device holds {log.head}")
            log.told = {head: chain}
            self._compare(patient, stream, log)

    def _compare(self, patient, stream, log):
        told = log.told.pop(log.head, None)
        if told is not None and self.member.form == "proto" and told != log.chain:
            self.fault(f"{patient} {stream}: the chain at {log.head} is not the one that the server named")

    def _take_entry(self, patient, stream, seq, raw, entry, posted, author):
        log = self.logs.get((patient, stream))
        if log is None:
            self.fault(f"an entry of {patient} {stream}, which Welcome did not name")
            return
        if seq != log.head + 1:
            self.fault(f"{patient} {stream}: entry {seq} after {log.head}")
            return
        log.head = seq
        log.chain = next_link(log.chain, raw) if raw is not None else json_link(log.chain, entry)
        self.counts["entries"] += 1
        if log.told:
            self._compare(patient, stream, log)
        if posted and author != self.member.person and patient == self.member.home:
            self._others_post[stream] = seq
        if self.keep:
            log.entries.append(raw)
            log.chains.append(log.chain)

    def _answered(self, command_id):
        self._sent_here[command_id] -= 1
        if self._sent_here[command_id] < 0:
            self.fault(f"command {command_id} was answered more often than it was sent")

    def _take_committed(self, command_id, patient, stream, seq):
        self._answered(command_id)
        before = self._places.get(command_id)
        if before:
            if before != (stream, seq):
                self.fault(f"command {command_id} was answered with {stream} {seq} and before with {before}")
            return
        frame = self.pending.pop(command_id, None)
        if frame is None:
            known = "it was refused before" if any(one == command_id for one, _ in self.refused) else "it was not asked"
            self.fault(f"command {command_id} is committed at {stream} {seq}, but {known}")
            return
        kind, target = self._about.pop(command_id)
        self.committed.append((command_id, kind, patient, stream, seq, target))
        if kind == "posted":
            self._own_post[stream] = seq
        self._places[command_id] = (stream, seq)
        self._remembered[command_id] = frame
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._new_wanted += self.rng.random() < self._pace

    def _take_refused(self, command_id, code, field):
        self.counts[f"refused_{code}"] += 1
        if not command_id:
            # Without an id it is about the whole connection: the audit could not be written.
            if code not in RETRYABLE:
                self.fault(f"refused without an id: {code} {field}")
            return
        self._answered(command_id)
        if code in RETRYABLE:
            self._send_again_soon(command_id, self._socket)
            return
        if command_id in self._places:
            self.fault(f"command {command_id} was committed and later refused with {code} {field}")
            return
        self.pending.pop(command_id, None)
        kind, target = self._about.pop(command_id, ("?", 0))
        self.refused.append((command_id, code))
        # One may acknowledge what was taken back meanwhile, or edit what was acknowledged; posting is always allowed here.
        if kind == "posted" or field == "commandId":
            self.fault(f"a message was refused with {code} {field}")
        self._new_wanted += self.rng.random() < self._pace

    def _take_presence(self, person, state):
        self.presence[person] = state
        self.counts["presence"] += 1
        if self.member.is_patient:
            self.fault("a patient was told about somebody's presence")

    # --- goals of a connection that is not cut ---

    def all_answered(self):
        return not self.pending

    def caught_up(self):
        return self._welcomed and not any(log.told and log.head < max(log.told) for log in self.logs.values())

    async def reach(self, goal, seconds, what):
        """Connects, as often as it takes, until the goal is reached."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            await self.live(None, 0, goal)
            if goal():
                return
            if asyncio.get_running_loop().time() > deadline:
                self.fault(f"{what} was not reached in {seconds} s; pending: {list(self.pending)[:3]}")
                return
