"""Stories of a care team, told to a real server whose clock is set to the story's times, and the four checks with which each of them ends.

    with told(tmp_path, room_resources("rosa", STAFF), begins="10:42") as story:
        await story.connect(["nina", "tom"], patients=["rosa"])
        task = await story.ask("rao", "rosa", "clinical", "Call the lab", target={"dutyId": "onc-rn"})
        ...
        await story.each_is_owed_by_one_person()  # At any moment that matters.
        story.end()  # The four checks.

An obligation is named by its place: (patient, stream, seq).
"""
import asyncio
import contextlib
import datetime
import itertools
import json
import math
import secrets
import time
import zoneinfo

import pytest
from careteam_client import TIMEOUT, Client, number, stream_name
from server import Server, sanitized
from server_clock import Clock
from worklist_client import Watched

CLINIC = zoneinfo.ZoneInfo("America/Chicago")
FORMS = ("json", "proto")
TOKEN_SECONDS = 40 * 24 * 3600  # A token outlives every story.

# The entries with which an obligation begins, and those with which it can end.
BEGINNINGS = ("taskRequested", "taskInstantiated")
ENDINGS = ("taskCompleted", "taskFailed", "taskDeclined", "taskCancelled", "taskCancelAcknowledged", "messageAcknowledged")


class Calendar:
    """The week of a story, in the clinic's time zone: its Monday (day 0) is the next one. It sets the server's clock, and never back."""

    def __init__(self, clock):
        self._clock = clock
        today = datetime.datetime.now(CLINIC).date()
        self.monday = today + datetime.timedelta(days=7 - today.weekday())
        self._offset = 0

    def moment(self, time_of_day, day=0):
        wanted = datetime.time.fromisoformat(time_of_day)
        return datetime.datetime.combine(self.monday + datetime.timedelta(days=day), wanted, CLINIC).astimezone(datetime.timezone.utc)

    def text(self, time_of_day, day=0):
        return as_text(self.moment(time_of_day, day))

    def set(self, time_of_day, day=0):
        self.go_to(self.moment(time_of_day, day))

    def go_to(self, moment):
        """From now on it is that time for the server, and up to a second more."""
        offset = math.ceil(moment.timestamp() - time.time())
        assert offset >= self._offset, f"{moment} has passed already: the story is told too slowly"
        self._clock.set(offset)
        self._offset = offset


@contextlib.contextmanager
def told(folder, resources, begins, day=0):
    """A Story on a server of its own with these people, and Alex the administrator, from that time of its week on."""
    if sanitized():
        pytest.skip("the sanitizer's library must come first, and so must libfaketime")
    clock = Clock(folder)
    calendar = Calendar(clock)
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}, environment=clock.environment) as server:
        server.import_resources(resources)
        assert server.tool("enroll", "--config", server.config, "--person", "alex", "--name", "Alex Admin", "--kind", "staff",
                           "--administrator").returncode == 0
        calendar.set(begins, day)
        server.start()
        yield Story(server, calendar)


def as_text(moment):
    return moment.isoformat().replace("+00:00", "Z")


def instant(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def a_moment_before(text):
    return as_text(instant(text) - datetime.timedelta(microseconds=1))


def reference(place):
    patient, stream, seq = place
    return {"patientId": patient, "stream": stream_name(stream), "seq": str(seq)}


class Tapped:
    """Reads from a connection and keeps every byte."""

    def __init__(self, reader):
        self._reader, self.octets = reader, bytearray()

    async def readexactly(self, count):
        try:
            got = await self._reader.readexactly(count)
        except asyncio.IncompleteReadError as ended:
            self.octets += ended.partial
            raise
        self.octets += got
        return got


class Owed(Watched):
    """What a person owes, by the places of three streams."""

    @staticmethod
    def key(entry):
        return entry["patientId"], entry["stream"].removeprefix("STREAM_").lower(), int(entry["seq"])

    def answers(self):
        return {key: item for key, item in self.items.items() if item["standing"] == "STANDING_ANSWERS"}


class Story:
    """The people of a story, what they wrote, and what they owe."""

    def __init__(self, server, calendar):
        self.server, self.calendar = server, calendar
        self.staff, self.owed, self.patients = {}, {}, {}
        self.received = {}  # patient: everything that their connections were sent, the last one last.
        self._hidden = []  # What was written where no patient reads, each with a mark of its own.
        self._heard = []  # What connections of staff were sent that have ended.

    # --- people ---

    async def connect(self, staff, patients):
        """Connects everybody (anew), in turn with both subprotocols, and watches what each of them owes."""
        self._heard += [client.transcript for client in self.staff.values()]
        self.staff = {person: await Client.connect(self.server, person, form, token=self._token(person))
                      for person, form in zip(staff, itertools.cycle(FORMS))}
        for person, form in zip(patients, itertools.cycle(FORMS)):
            self.patients[person] = await self._connect_patient(person, form)
        self.owed = {person: await Owed.open(client) for person, client in (self.staff | self.patients).items()}

    async def connect_again(self):
        await self.connect(list(self.staff), list(self.patients))

    async def _connect_patient(self, person, form):
        client = await Client.open(self.server, person, form, read=False)
        client.reader = Tapped(client.reader)
        self.received.setdefault(person, []).append(client)
        client.start_reading()
        await client.hello(self._token(person), resume=self.patients.get(person))
        await client.until(lambda: client.welcome)
        await client.synced()
        return client

    def _token(self, person):
        return self.server.token(person, expires=TOKEN_SECONDS)

    def client(self, person):
        return self.staff.get(person) or self.patients[person]

    def hidden(self, text):
        """A text for `clinical`, `support` or a duty's record, with a mark that no patient may be sent."""
        mark = f"hidden-{secrets.token_hex(6)}"
        self._hidden.append(mark)
        return f"{text} ({mark})"

    def _written_to(self, stream, text):
        return text if stream == "shared" else self.hidden(text)

    # --- what they do ---

    async def must(self, person, record, action, **fields):
        answer = await self.client(person).command(record, {action: fields})
        assert answer.ok, (person, action, answer)
        return answer

    async def define_duty(self, duty, role, members, rotations, **more):
        """Alex creates a duty of this role. members: {person: role}; the first leads. rotations: {person: (from, until)}, daily, in hours."""
        record = f"duty/{duty}"
        await self.must("alex", record, "defineDuty", duty={
            "name": f"Duty {duty}", "timeZone": CLINIC.key, "roles": [role], "leadPersonId": next(iter(members)),
            "members": [{"personId": person, "role": its} for person, its in members.items()], **more})
        for version, (person, (start, end)) in enumerate(rotations.items(), 1):
            await self.must("alex", record, "setRotation", expectedRosterVersion=str(version), rotation={
                "rotationId": f"of-{person}", "personId": [person], "weekday": [1, 2, 3, 4, 5, 6, 7], "startMinute": start * 60,
                "endMinute": end * 60, "firstDay": self.calendar.monday.isoformat()})

    async def ask(self, person, patient, stream, title, **order):
        """Asks for a task; returns its place."""
        wanted = {"kind": "TASK_KIND_CARE", "title": self._written_to(stream, title), **order}
        answer = await self.must(person, patient, "requestTask", stream=stream_name(stream), order=wanted)
        return patient, stream, answer.seq

    async def say(self, person, patient, stream, content, **more):
        """Posts a message, plain or structured; returns its place."""
        if isinstance(content, str):
            content = {"text": self._written_to(stream, content)}
        answer = await self.must(person, patient, "postMessage", stream=stream_name(stream), content=content, **more)
        return patient, stream, answer.seq

    async def tell(self, person, place, *actions, **fields):
        """Commands on a task, one after the other; the answer to the last."""
        patient, stream, seq = place
        for action in actions:
            answer = await self.must(person, patient, action, task={"stream": stream_name(stream), "seq": str(seq)}, **fields)
        return answer

    async def acknowledge(self, person, place):
        patient, stream, seq = place
        return await self.must(person, patient, "acknowledgeMessage", stream=stream_name(stream), seq=str(seq))

    # --- what is owed ---

    def obligations(self):
        """{place: whether it is open still}, as the entries tell that the staff were given."""
        found = {}
        for client in self.staff.values():
            for (record, stream), entries in client.log.items():
                if not record or record.startswith("duty/") or stream == "STREAM_AUDIT":
                    continue
                for place, is_open in obligations_of(record, stream.removeprefix("STREAM_").lower(), entries).items():
                    found[place] = is_open and found.get(place, True)
        return found

    def answering(self):
        """{place: everybody whose worklist says that they answer for it}"""
        result = {}
        for person, owed in self.owed.items():
            for place in owed.answers():
                result.setdefault(place, []).append(person)
        return result

    async def each_is_owed_by_one_person(self):
        """Every open obligation is on exactly one worklist as the one who answers for it; returns {place: person}."""
        found = await self._owed()
        return {place: people[0] for place, people in found.items()}

    async def owed_is(self, wanted):
        """Waits until that is what is owed, each by that one person. Worklists come a moment after the entry that moves them."""
        await self._owed(wanted)

    async def _owed(self, wanted=None):
        end = time.monotonic() + TIMEOUT
        while True:
            for owed in self.owed.values():
                await owed.client.fence()
            places = sorted(place for place, is_open in self.obligations().items() if is_open)
            found = self.answering()
            right = wanted is None or found == {place: [person] for place, person in wanted.items()}
            if sorted(found) == places and all(len(people) == 1 for people in found.values()) and right:
                return found
            assert time.monotonic() < end, f"open: {places}; answered for: {found}; wanted: {wanted}"

    def explained(self, place, *more):
        patient, stream, seq = place
        done = self.server.tool("explain", "--config", self.server.config, "--json", patient, f"{stream}/{seq}", *more)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def accountable(self, place, moment):
        (standing,) = self.explained(place, "--at", moment)
        return standing["accountable"]

    # --- how it ends ---

    def end(self):
        """The four checks. The server is killed for them: what counts is on disk."""
        self.server.kill9()
        self._chains_are_green()
        self._every_obligation_always_had_one_person()
        self._patients_were_sent_nothing_hidden()
        self._replayed_the_log_leads_to_the_same()

    def _chains_are_green(self):
        done = self.server.verify()
        assert done.returncode == 0 and done.stdout.startswith("sound") and "findings=0" in done.stdout, done

    def _every_obligation_always_had_one_person(self):
        """`explain` asks who answers after every entry of the record, the organisation and the duties, and tells whenever that has changed: its
        steps are all versions."""
        obligations = self.obligations()
        assert obligations
        for place, is_open in obligations.items():
            told = [step["accountable"] for step in self.explained(place)]
            owed = told if is_open else told[:told.index("")]
            assert owed and all(person and "," not in person for person in owed), (place, told)
            assert not any(told[len(owed):]), (place, told, "what is settled is owed by nobody")

    def _patients_were_sent_nothing_hidden(self):
        heard = [message for transcript in [*self._heard, *(client.transcript for client in self.staff.values())] for message in transcript]
        everything = b"\n".join(heard)
        assert self._hidden and all(mark.encode() in everything for mark in self._hidden), "what is looked for was written"
        for person, connections in self.received.items():
            sent = b"\n".join([bytes(client.reader.octets) for client in connections] +
                              [message for client in connections for message in client.transcript])
            assert f"Patient {person}".encode() in sent
            assert b"hidden-" not in sent and not any(mark.encode() in sent for mark in self._hidden), person
            for client in connections:
                assert client.streams() == {(person, "shared")}
                assert not any(stream != "STREAM_SHARED" for _, stream in client.log)

    def _replayed_the_log_leads_to_the_same(self):
        done = self.server.rebuild()
        assert done.returncode == 0 and "differences=0" in done.stdout, done


def obligations_of(record, stream, entries):
    found = {}
    for entry in entries:
        name = next((name for name in (*BEGINNINGS, "messagePosted", *ENDINGS) if name in entry), None)
        if name is None:
            continue
        fact = entry[name]
        if name in BEGINNINGS:
            found[record, stream, number(fact.get("seq")) or number(entry["seq"])] = True
        elif name == "messagePosted":
            if "acknowledgeBy" in fact:
                found[record, stream, number(entry["seq"])] = True
        elif not is_step_only(name, fact) and (record, stream, number(fact["seq"])) in found:
            found[record, stream, number(fact["seq"])] = False
    return found


def is_step_only(name, fact):
    """Declined by one of several, or cancelled while somebody is doing it: not over yet."""
    return name == "taskDeclined" and not fact.get("rejected") or name == "taskCancelled" and "acknowledgeBy" in fact
