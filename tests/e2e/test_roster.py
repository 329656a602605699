"""Who is on the team: races for the roster, what people see of it, and in which role somebody acts."""
import asyncio

import pytest
from careteam_client import ABORTED, ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, Client
from server import Server, practitioner_resource, room_resources

WRITERS = 20
STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist"), ("lee", "medical-oncologist"), ("sam", "social-worker")]


@pytest.fixture
def ward():
    """One room, twenty more people on no team."""
    with Server(settings={"limits.wrong_patient_window_ms": 0, "server.max_connections_per_person": 64}) as server:
        server.import_resources([*room_resources("pat", STAFF), *(practitioner_resource(f"new-{number}") for number in range(WRITERS))])
        yield server.start()


def add(version, person, role="ROLE_PHARMACIST", **more):
    return {"addMember": {"expectedRosterVersion": str(version), "personId": person, "role": role, **more}}


async def test_of_many_who_change_one_version_one_wins(ward, form):
    managers = [await Client.connect(ward, ("rao", "lee")[number % 2], ("json", "proto")[number % 2], device=f"d-{number}", sync=False)
                for number in range(WRITERS)]
    version = int((await managers[0].roster("pat"))["rosterVersion"])
    answers = await asyncio.gather(*(one.command("pat", add(version, f"new-{number}")) for number, one in enumerate(managers)))
    assert sum(answer.ok for answer in answers) == 1
    for answer in answers:
        assert answer.ok or (answer.code, answer.field) == (ABORTED, "addMember.expectedRosterVersion")
    winner = f"new-{next(number for number, answer in enumerate(answers) if answer.ok)}"
    roster = await managers[0].roster("pat")
    assert int(roster["rosterVersion"]) == version + 1
    assert {one["personId"] for one in roster["members"] if one["personId"].startswith("new-")} == {winner}

    # Everybody reads the roster again and tries again until they are through: nobody is lost, nobody is there twice.
    async def persist(client, person):
        while True:
            seen = int((await client.roster("pat"))["rosterVersion"])
            answer = await client.command("pat", add(seen, person))
            if answer.ok or answer.code == ALREADY_EXISTS:
                return answer
            assert answer.code == ABORTED

    answers = await asyncio.gather(*(persist(one, f"new-{number}") for number, one in enumerate(managers)))
    assert sum(answer.code == ALREADY_EXISTS for answer in answers) == 1  # The first winner.
    async with await Client.connect(ward, "pat", form) as pat:
        roster = await pat.roster("pat")
        assert int(roster["rosterVersion"]) == version + WRITERS
        assert sorted(one["personId"] for one in roster["members"] if one["personId"].startswith("new-")) == sorted(f"new-{n}" for n in range(WRITERS))
        versions = [int(one["memberAdded"]["rosterVersion"]) for one in pat.entries("pat", "shared") if "memberAdded" in one]
        assert versions == list(range(versions[0], versions[0] + len(versions)))
    for one in managers:
        await one.close()
    ward.stop()
    assert ward.verify().stdout.startswith("sound") and "differences=0" in ward.rebuild().stdout


async def test_the_roster_as_the_patient_reads_it(ward, form):
    async with await Client.connect(ward, "pat", form) as pat, await Client.connect(ward, "rao", form) as rao:
        first = await pat.roster("pat")
        by_person = {one["personId"]: one for one in first["members"]}
        assert set(by_person) == {"pat", "nina", "rao", "lee", "sam"}
        assert by_person["nina"]["roleText"] == "Your cancer nurse" and by_person["nina"]["name"] == "Staff nina"
        assert len(first["changes"]) == int(first["rosterVersion"])
        # A second look: nothing has changed since the first.
        assert not (await pat.roster("pat")).get("changes")
        version = int(first["rosterVersion"])
        assert (await rao.command("pat", add(version, "new-1", "ROLE_NUTRITIONIST", reason="asked for by the family"))).ok
        assert (await rao.command("pat", {"changeRole": {"expectedRosterVersion": str(version + 1), "personId": "new-1", "fromRole": "ROLE_NUTRITIONIST",
                                                         "toRole": "ROLE_COUNSELOR", "reason": "a better fit here"}})).ok
        assert (await rao.command("pat", {"assignAttending": {"expectedRosterVersion": str(version + 2), "personId": "lee"}})).ok
        assert (await rao.command("pat", {"endMember": {"expectedRosterVersion": str(version + 3), "personId": "sam", "role": "ROLE_SOCIAL_WORKER",
                                                        "reason": "on leave this month"}})).ok
        roster = await pat.roster("pat")
        assert [(one["kind"], one["personId"], one["role"]) for one in roster["changes"]] == [
            ("KIND_JOINED", "new-1", "ROLE_NUTRITIONIST"), ("KIND_ROLE", "new-1", "ROLE_COUNSELOR"),
            ("KIND_ATTENDING", "lee", "ROLE_MEDICAL_ONCOLOGIST"), ("KIND_LEFT", "sam", "ROLE_SOCIAL_WORKER")]
        by_person = {one["personId"]: one for one in roster["members"]}
        assert "sam" not in by_person and by_person["lee"]["attending"] and not by_person["rao"].get("attending")
        # Each person has a last look of their own, also over a restart.
        assert len((await rao.roster("pat"))["changes"]) == int(roster["rosterVersion"])
        # What was the reason is for the audit alone.
        for client in (pat, rao):
            assert not any(b"asked for by the family" in message for message in client.transcript)
    ward.restart()
    async with await Client.connect(ward, "pat", form) as pat:
        assert not (await pat.roster("pat")).get("changes")
        assert not (await pat.roster("pat")).get("changes")


async def test_who_may_change_the_team(ward, form):
    async with await Client.connect(ward, "pat", form) as pat, await Client.connect(ward, "nina", form) as nina, \
            await Client.connect(ward, "rao", form) as rao, await Client.connect(ward, "new-1", form) as new:
        version = int((await rao.roster("pat"))["rosterVersion"])
        assert (await nina.command("pat", add(version, "new-1"))).code == PERMISSION_DENIED
        assert (await pat.command("pat", add(version, "new-1"))).code == PERMISSION_DENIED
        assert (await new.command("pat", add(version, "new-1"))).code == NOT_FOUND
        cases = [(add(version, "nobody-here"), FAILED_PRECONDITION, "addMember.personId"), (add(version, "new-1", "ROLE_PATIENT"), INVALID_ARGUMENT, "addMember.role"),
                 (add(version, "new-1", "ROLE_ADMINISTRATOR"), INVALID_ARGUMENT, "addMember.role"),
                 (add(version, "new-1", "ROLE_UNSPECIFIED"), INVALID_ARGUMENT, "addMember.role"),
                 (add(version, "new-1", scopes=["SCOPE_READ_CLINICAL"]), INVALID_ARGUMENT, "addMember.scopes"),
                 (add(version, "new-1", period={"end": "2020-01-01T00:00:00Z"}), INVALID_ARGUMENT, "addMember.period.end"),
                 (add(version, "nina", "ROLE_ONCOLOGY_NURSE"), ALREADY_EXISTS, "addMember.personId"),
                 (add(version - 1, "new-1"), ABORTED, "addMember.expectedRosterVersion"),
                 (add(version + 1, "new-1"), ABORTED, "addMember.expectedRosterVersion"),
                 ({"endMember": {"expectedRosterVersion": str(version), "personId": "pat", "role": "ROLE_PATIENT", "reason": "no reason at all"}},
                  FAILED_PRECONDITION, "endMember.role"),
                 ({"endMember": {"expectedRosterVersion": str(version), "personId": "nina", "role": "ROLE_ONCOLOGY_NURSE"}}, INVALID_ARGUMENT,
                  "endMember.reason")]
        for action, code, field in cases:
            refused = await rao.command("pat", action)
            assert (refused.code, refused.field) == (code, field), (action, refused)
        assert int((await rao.roster("pat"))["rosterVersion"]) == version


async def test_two_roles_need_an_acting_role(ward, form):
    async with await Client.connect(ward, "rao", form) as rao:
        version = int((await rao.roster("pat"))["rosterVersion"])
        assert (await rao.command("pat", add(version, "nina", "ROLE_NURSE_PRACTITIONER"))).ok
        nina = await Client.connect(ward, "nina", form)
        refused = await nina.post("pat", "clinical", "In which role do I speak")
        assert (refused.code, refused.field) == (FAILED_PRECONDITION, "actingRole")
        # Chosen on the open connection, and again.
        for role in ("ROLE_NURSE_PRACTITIONER", "ROLE_ONCOLOGY_NURSE"):
            count = len(nina.welcomes)
            await nina.hello(ward.token("nina"), acting_role=role)
            await nina.until(lambda: len(nina.welcomes) == count + 1)  # noqa: B023 - awaited in the same turn
            said = await nina.post("pat", "clinical", f"Now I speak as {role}")
            assert (await rao.has("pat", "clinical", said.seq))["author"] == {"personId": "nina", "role": role}
        await nina.close()
        # Chosen at the start; a role that one does not hold gives nothing.
        async with await Client.connect(ward, "nina", form, acting_role="ROLE_NURSE_PRACTITIONER") as nina:
            assert (await nina.post("pat", "clinical", "As a nurse practitioner from the start")).ok
            version = int((await nina.roster("pat"))["rosterVersion"])
            assert (await nina.command("pat", add(version, "new-3"))).ok
        async with await Client.connect(ward, "nina", form, acting_role="ROLE_MEDICAL_ONCOLOGIST") as nina:
            assert not (await nina.post("pat", "clinical", "As somebody that I am not")).ok
        async with await Client.connect(ward, "sam", form, acting_role="ROLE_MEDICAL_ONCOLOGIST") as sam:
            version = int((await sam.roster("pat"))["rosterVersion"])
            assert not (await sam.command("pat", add(version, "new-4"))).ok
            assert (await sam.post("pat", "clinical", "As somebody that I am not")).code == NOT_FOUND
            said = await sam.post("pat", "support", "As whom does this appear")
            if said.ok:
                assert (await sam.has("pat", "support", said.seq))["author"]["role"] == "ROLE_SOCIAL_WORKER"
