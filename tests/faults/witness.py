"""A flaky device that writes down what it asks for and everything that it sees, and judges nothing: history_check.py does, afterwards.

Beside what Device does it changes the roster (compare and set, by the version that it holds), moves read positions and reads back. It goes on
with whatever it is sent, also where an entry is missing or comes twice: a judge who looks later sees more than a client who stops.

The events are dictionaries, in the order in which this device saw them, all with `at` (seconds of the machine's monotonic clock, the same for
every process), `conn` (which of its connections) and `frame` (which message of the server's; 0 before the first one):

    hello     resume: [[patient, stream, seq], …]              sent {id: its command}: once for each time it was sent as a whole
    ask       id, kind, patient, stream, target, expected, person: what a command is; once
    welcome   streams: [[patient, stream, head, after, read, displayed, unread], …]
    gained, revoked, reset    patient, stream (gained: as in welcome)
    entry     patient, stream, seq, digest                     fetched the same, for an entry that was read back; request
    committed id, patient, stream, seq                         refused id, code, field
    moved     patient, stream, read                            a read position was sent
    cursor    patient, stream, read, displayed, unread         receipt patient, stream, person, received, displayed
    roster    id, patient, version                             presence person, state
    end       the connection is over
"""
import hashlib
import time

from google.protobuf import json_format

from contract import CLINICAL, RETRYABLE, SHARED, SUPPORT, ClientFrame, Entry, ServerFrame, fields_of, uuid7
from flaky_device import REMEMBERED, Device, Log

ONCOLOGY_NURSE = 8  # Role.
MAX_EVENTS = 200_000
ENTRIES = 1  # Field of ServerFrame.


def digest(raw):
    return hashlib.sha256(raw).hexdigest()[:20]


class Witness(Device):
    changes_roster = ()  # People who are added to the team and taken off again, by doctors.

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.events = []
        self._conn = self._frames = 0
        self._roster_version = {}  # patient -> the latest version that was seen
        self._requests = 0
        self._last_frame = None

    def result(self):
        return super().result() | {"events": self.events}

    def note(self, event, **more):
        if len(self.events) == MAX_EVENTS:
            raise OverflowError(f"{self.member.person}/{self.member.device} saw more than {MAX_EVENTS} events")
        self.events.append({"e": event, "at": time.monotonic(), "conn": self._conn, "frame": self._frames, **more})

    # --- what is asked ---

    async def live(self, cut, pace, done=None):
        self._conn += 1
        try:
            await super().live(cut, pace, done)
        finally:
            self.note("end")

    def _hello(self):
        self.note("hello", resume=[[patient, stream, log.head] for (patient, stream), log in self.logs.items() if log.head])
        return super()._hello()

    def _note_sent(self, command_id):
        super()._note_sent(command_id)
        self.note("sent", id=command_id)

    def _new_command(self):
        command_id, frame = self._roster_command() if self.rng.random() < 0.25 else (None, None)
        if command_id is None:
            command_id, frame = super()._new_command()
            said = self._last_frame.command
            kind, target = self._about[command_id]
            stream = said.post_message.stream or said.edit_message.stream or said.acknowledge_message.stream
            self.note("ask", id=command_id, kind=kind, patient=said.patient_id, stream=stream, target=target, expected=0, person="")
        return command_id, frame

    def _frame(self, message):
        self._last_frame = message
        return super()._frame(message)

    def _roster_command(self):
        """A doctor's change of the team, by the version that the doctor holds (sometimes an older one); or a look at the roster."""
        home = self.member.home
        version = self._roster_version.get(home, 0)
        if not self.changes_roster or not self.member.person.startswith("doctor-") or not version:
            return None, None
        command_id = uuid7(self.rng.getrandbits)
        frame = ClientFrame()
        command = frame.command
        command.command_id, command.patient_id = command_id, home
        choice = self.rng.random()
        expected = version - (self.rng.random() < 0.1)
        person = self.rng.choice(self.changes_roster)
        if choice < 0.2:
            kind, expected, person = "viewed", 0, ""
            command.view_roster.SetInParent()
        elif choice < 0.6:
            kind, one = "added", command.add_member
            one.expected_roster_version, one.person_id, one.role, one.reason = expected, person, ONCOLOGY_NURSE, command_id
        else:
            kind, one = "ended", command.end_member
            one.expected_roster_version, one.person_id, one.role, one.reason = expected, person, ONCOLOGY_NURSE, command_id
        self._about[command_id] = (kind, 0)
        self.counts["commands"] += 1
        self.note("ask", id=command_id, kind=kind, patient=home, stream=0, target=0, expected=expected, person=person)
        return command_id, self._frame(frame)

    def _new_commands(self):
        return super()._new_commands() + (self._reading() if self._welcomed else b"")

    def _reading(self):
        """Sometimes a position moves; sometimes something is read once more."""
        held = [(key, log.head) for key, log in self.logs.items() if log.head and key[1] in (SHARED, CLINICAL, SUPPORT)]
        if not held or self.rng.random() < 0.5:
            return b""
        (patient, stream), head = self.rng.choice(held)
        frame = ClientFrame()
        if self.rng.random() < 0.7:
            one = frame.cursor
            one.patient_id, one.stream, one.received = patient, stream, head
            one.read = one.displayed = self.rng.randint(max(1, head - 10), head)
            self.note("moved", patient=patient, stream=stream, read=one.read)
        else:
            one = frame.fetch
            self._requests += 1
            one.request_id, one.patient_id, one.stream = f"fetch-{self._requests}", patient, stream
            one.from_seq, one.to_seq = max(1, head - self.rng.randrange(20)), head
        return self._frame(frame)

    # --- what arrives ---

    def _take_message(self, message):
        self._take_frame(ServerFrame.FromString(message), [raw for number, raw in fields_of(message) if number == ENTRIES])

    def _take_json(self, frame):
        one = json_format.ParseDict(frame, ServerFrame())
        self._take_frame(one, [entry.SerializeToString(deterministic=True) for entry in one.entries])

    def _take_frame(self, frame, raws):
        """In the order that the protocol tells."""
        self._frames += 1
        if frame.HasField("welcome"):
            self._on_welcome(frame.welcome)
        for one in frame.resets:
            self.note("reset", patient=one.patient_id, stream=one.stream)
            self.logs[one.patient_id, one.stream] = Log()
        for one in frame.gained:
            self._on_access("gained", one)
        for raw in raws:
            self._on_entry("entry", raw)
        for one in frame.revoked:
            self.note("revoked", patient=one.patient_id, stream=one.stream)
            self.logs.pop((one.patient_id, one.stream), None)
        for one in frame.committed:
            self._on_committed(one)
        for one in frame.refused:
            self._on_refused(one)
        for one in frame.cursors:
            self.note("cursor", patient=one.patient_id, stream=one.stream, read=one.read, displayed=one.displayed, unread=one.unread)
        for one in frame.receipts:
            self.note("receipt", patient=one.patient_id, stream=one.stream, person=one.person_id, received=one.received, displayed=one.displayed)
        for one in frame.presence:
            self.presence[one.person_id] = one.state
            self.note("presence", person=one.person_id, state=one.state)
        for one in frame.fetched:
            for entry in one.entries:
                self._on_entry("fetched", entry.SerializeToString(deterministic=True), request=one.request_id)
        for one in frame.rosters:
            self._roster_version[one.patient_id] = max(one.roster_version, self._roster_version.get(one.patient_id, 0))
            self.note("roster", id=one.command_id, patient=one.patient_id, version=one.roster_version)

    def _on_welcome(self, welcome):
        self._welcomed = True
        self.counts["welcomes"] += 1
        self.epoch = welcome.epoch
        told = [[one.patient_id, one.stream, one.head, one.after, one.read, one.displayed, one.unread] for one in welcome.streams]
        self.note("welcome", streams=told)
        named = {(one.patient_id, one.stream): one for one in welcome.streams}
        self.logs = {key: log for key, log in self.logs.items() if key in named}
        for key, one in named.items():
            log = self.logs.setdefault(key, Log())
            log.head, log.told = one.after, {one.head: one.head_chain}

    def _on_access(self, event, one):
        self.note(event, patient=one.patient_id, stream=one.stream, head=one.head, after=one.after, read=one.read, displayed=one.displayed, unread=one.unread)
        log = self.logs[one.patient_id, one.stream] = Log()
        log.told = {one.head: one.head_chain}

    def _on_entry(self, event, raw, **more):
        entry = Entry.FromString(raw)
        key = (entry.patient_id, entry.stream)
        self.note(event, patient=entry.patient_id, stream=entry.stream, seq=entry.seq, digest=digest(raw), **more)
        fact = entry.WhichOneof("fact")
        version = getattr(getattr(entry, fact or "author"), "roster_version", 0) if entry.stream == SHARED else 0
        if version:
            self._roster_version[entry.patient_id] = max(version, self._roster_version.get(entry.patient_id, 0))
        if event == "fetched":
            return
        self.counts["entries"] += 1
        log = self.logs.setdefault(key, Log())
        log.head = entry.seq
        if fact == "message_posted" and entry.author.person_id != self.member.person and entry.patient_id == self.member.home:
            self._others_post[entry.stream] = entry.seq

    def _on_committed(self, one):
        self.note("committed", id=one.command_id, patient=one.patient_id, stream=one.stream, seq=one.seq)
        frame = self.pending.pop(one.command_id, None)
        if frame is None:
            return
        kind, target = self._about.pop(one.command_id)
        self.committed.append((one.command_id, kind, one.patient_id, one.stream, one.seq, target))
        if kind == "posted":
            self._own_post[one.stream] = one.seq
        self._remembered[one.command_id] = frame
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._new_wanted += self.rng.random() < self._pace

    def _on_refused(self, one):
        self.counts[f"refused_{one.code}"] += 1
        self.note("refused", id=one.command_id, code=one.code, field=one.field)
        if one.command_id not in self.pending:
            return
        if one.code in RETRYABLE:
            self._send_again_soon(one.command_id, self._socket)
            return
        del self.pending[one.command_id]
        self._about.pop(one.command_id, None)
        self.refused.append((one.command_id, one.code))
        self._new_wanted += self.rng.random() < self._pace
