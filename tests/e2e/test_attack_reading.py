"""Every way to read gives the decision that the socket gives, and none of them reads what the audit cannot tell of."""
import contextlib
import sqlite3

import pytest
from careteam_client import NOT_FOUND, UNAVAILABLE, Client
from server import Server, practitioner_resource, room_resources

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("sam", "social-worker"), ("path", "pathologist"), ("fin", "financial-adviser"),
         ("vera", "privacy-officer"), ("both", "oncology-nurse")]
STREAMS = ("shared", "clinical", "support", "audit", "organization")
TEAMS = {"pat": STAFF, "other": [("lee", "medical-oncologist"), ("both", "social-worker")]}
PATIENTS = tuple(TEAMS)


@pytest.fixture(scope="module")
def ward():
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources([*(one for patient in PATIENTS for one in room_resources(patient, TEAMS[patient])), practitioner_resource("nobody")])
        yield server.start()


def without_id(refusal):
    return {key: value for key, value in refusal.raw.items() if key != "commandId"}


async def fill(server):
    """Something to read in every stream of both records."""
    for person, patient in (("rao", "pat"), ("lee", "other")):
        async with await Client.connect(server, person) as doctor:
            for stream in ("shared", "clinical", "support"):
                assert (await doctor.post(patient, stream, f"In the {stream} stream of {patient}")).ok


@pytest.mark.parametrize("person", [*dict(STAFF), "lee", "nobody", *PATIENTS])
async def test_attack_23_reading_back_and_the_roster_are_decided_as_the_socket_is(ward, form, person):
    await fill(ward)
    async with await Client.connect(ward, person, form) as client:
        readable = client.streams()
        absent = without_id(await client.fetch("no-such-patient", "shared", 1, 1))
        for patient in PATIENTS:
            for stream in STREAMS:
                asked = await client.fetch(patient, stream, 1, 1)
                assert asked.ok == ((patient, stream) in readable), (person, patient, stream, asked)
                assert asked.ok or (asked.code == NOT_FOUND and without_id(asked) == absent)
            # Members see the roster (also those who read no stream: pathologists by task); others get the words for what is not there.
            member = person == patient or person in dict(TEAMS[patient])
            roster = await client.roster(patient)
            refused = not isinstance(roster, dict)
            assert refused == (not member), (person, patient)
            if refused:
                assert without_id(roster) == without_id(await client.roster("no-such-patient"))
        may_post = {(patient, stream) for (patient, stream), one in client.access.items() if one.get("mayPost")}
        for patient in PATIENTS:
            for stream in ("shared", "clinical", "support"):
                posted = await client.post(patient, stream, f"Parity of {person} in {stream}")
                assert posted.ok == ((patient, f"STREAM_{stream.upper()}") in may_post), (person, patient, stream, posted)
        await client.fence()
        read = {(entry["patientId"], entry["stream"]) for entries in client.log.values() for entry in entries}
        assert {(patient, stream.removeprefix("STREAM_").lower()) for patient, stream in read} <= readable


async def test_attack_23_who_has_left_reads_nothing_back_on_the_same_connection(form):
    with Server(redis=False) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        rao, nina = await Client.connect(server, "rao", form), await Client.connect(server, "nina", form)
        version = (await rao.roster("pat"))["rosterVersion"]
        assert (await rao.post("pat", "clinical", "Something to read")).ok
        assert (await nina.fetch("pat", "clinical", 1, 1)).ok
        end = {"endMember": {"expectedRosterVersion": version, "personId": "nina", "role": "ROLE_ONCOLOGY_NURSE", "reason": "has left the team"}}
        assert (await rao.command("pat", end)).ok
        await nina.until(lambda: len(nina.revoked) == 3)
        absent = without_id(await nina.fetch("no-such-patient", "clinical", 1, 1))
        for stream in STREAMS:
            assert without_id(await nina.fetch("pat", stream, 1, 1)) == absent
        assert not (await nina.post("pat", "shared", "After I have left")).ok
        for one in (rao, nina):
            await one.close()


@contextlib.contextmanager
def unwritable(server):
    """Another process holds the store's lock for writing: reading works, and nothing can be written."""
    other = sqlite3.connect(server.store_path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
    finally:
        other.close()


async def test_attack_24_what_the_audit_cannot_tell_of_does_not_happen():
    form = "proto"  # One form: each refusal takes as long as the store waits for the lock.
    with Server(redis=False) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        nina = await Client.connect(server, "nina", form)
        said = await nina.post("pat", "clinical", "To be read while the audit can be written")
        assert said.ok and (await nina.fetch("pat", "clinical", 1, said.seq)).ok
        seen = len(nina.transcript)
        with unwritable(server):
            # Reading back, the roster, a message: each is refused for now, and nothing of it is shown.
            back = await nina.fetch("pat", "clinical", 1, said.seq)
            assert not back.ok and back.code == UNAVAILABLE
            roster = await nina.command("pat", {"viewRoster": {}})
            assert not roster.ok and roster.code == UNAVAILABLE and not nina.rosters
            assert (await nina.post("pat", "clinical", "Not to be stored")).code == UNAVAILABLE
            # Whoever comes now gets no Welcome and no entry.
            rao = await Client.open(server, "rao", form)
            await rao.hello(server.token("rao"))
            assert await rao.closed() == 4499
            assert rao.welcome is None and not rao.log and [one["code"] for one in rao.refused] == [UNAVAILABLE]
            assert not any(b"To be read" in message for message in [*rao.transcript, *nina.transcript[seen:]])
        # And when it can be written again everything goes on by itself.
        assert (await nina.fetch("pat", "clinical", 1, said.seq)).ok and (await nina.roster("pat"))["members"]
        async with await Client.connect(server, "rao", form) as rao:
            assert rao.texts("pat", "clinical") == ["To be read while the audit can be written"]
        await nina.close()
        async with await Client.connect(server, "vera", form) as vera:
            facts = [next(iter(set(one) & {"historyRead", "rosterViewed", "sessionOpened", "sessionClosed"}), "") for one in vera.entries("pat", "audit")]
            assert facts.count("historyRead") == 2 and facts.count("rosterViewed") == 1
        server.stop()
        assert server.verify().stdout.startswith("sound") and "differences=0" in server.rebuild().stdout
        assert 1 <= server.log_text().count('"append_failed"') <= 10
