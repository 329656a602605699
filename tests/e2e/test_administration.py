"""An administrator builds a team over the wire, and sees nothing of what it says."""
import pytest
from careteam_client import ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, Client, Closed
from server import Server


@pytest.fixture
def hospital():
    """Nobody but the administrators adam and eve."""
    with Server() as server:
        for person in ("adam", "eve"):
            assert server.tool("enroll", "--config", server.config, "--person", person, "--name", f"Admin {person}", "--kind", "staff",
                               "--administrator").returncode == 0
        yield server.start()


def enrolled(person, kind, **more):
    return {"enrollPerson": {"personId": person, "name": f"Name of {person}", "kind": f"PERSON_KIND_{kind}", **more}}


async def test_from_nobody_to_a_team(hospital, form):
    with pytest.raises(Closed) as unknown:
        await Client.connect(hospital, "nina", form)
    assert unknown.value.code == 4403  # A good token of somebody without an account.
    adam = await Client.connect(hospital, "adam", form, acting_role="ADMINISTRATOR")
    assert adam.streams() == {("", "organization")}
    for action in (enrolled("pat", "PATIENT"), enrolled("nina", "STAFF", reach="ext. 4711", hours="7 to 15"), enrolled("luis", "RELATED")):
        assert (await adam.command("", action)).ok
    pat = await Client.connect(hospital, "pat", form)
    nina = await Client.connect(hospital, "nina", form)
    assert not pat.access and not nina.access
    assert (await adam.command("luis", {"openRecord": {}})).code == FAILED_PRECONDITION
    assert (await adam.command("pat", {"openRecord": {}})).ok
    assert (await adam.command("pat", {"openRecord": {}})).code == ALREADY_EXISTS

    async def add(person, role, **more):
        version = (await adam.roster("pat")).get("rosterVersion", "0")
        return await adam.command("pat", {"addMember": {"expectedRosterVersion": version, "personId": person, "role": f"ROLE_{role}", **more}})

    assert (await add("pat", "PATIENT")).ok and (await add("nina", "ONCOLOGY_NURSE")).ok
    assert (await add("luis", "CAREGIVER", scopes=["SCOPE_READ_SHARED"])).ok
    assert (await add("luis", "ONCOLOGY_NURSE")).code == INVALID_ARGUMENT
    await pat.until(lambda: pat.streams() == {("pat", "shared")})
    await nina.until(lambda: len(nina.access) == 3)
    said = await nina.post("pat", "shared", "Welcome to the ward")
    assert said.ok and (await pat.has("pat", "shared", said.seq))["author"]["role"] == "ROLE_ONCOLOGY_NURSE"
    member = next(one for one in (await pat.roster("pat"))["members"] if one["personId"] == "nina")
    assert (member["reach"], member["hours"]) == ("ext. 4711", "7 to 15")
    # The administrator manages and reads nothing.
    await adam.fence()
    assert adam.streams() == {("", "organization")} and not any(b"Welcome to the ward" in one for one in adam.transcript)
    assert (await adam.fetch("pat", "shared", 1, 2)).code == NOT_FOUND
    assert (await adam.post("pat", "shared", "May I say something here")).code == NOT_FOUND
    # What the staff and the patient may not: the organisation is not there for them.
    for one in (pat, nina):
        for action in (enrolled("mallory", "STAFF", roles=["ROLE_ADMINISTRATOR"]), {"suspendPerson": {"personId": "adam", "reason": "because I can"}}):
            assert (await one.command("", action)).code == NOT_FOUND
        assert (await one.command("nobody", {"openRecord": {}})).code == NOT_FOUND
    for one in (adam, pat, nina):
        await one.close()
    hospital.stop()
    assert hospital.verify().stdout.startswith("sound") and "differences=0" in hospital.rebuild().stdout


async def test_accounts(hospital, form):
    async with await Client.connect(hospital, "adam", form) as adam, await Client.connect(hospital, "eve", form) as eve:
        assert (await adam.command("", enrolled("nina", "STAFF"))).ok
        await eve.until(lambda: any(one.get("personEnrolled", {}).get("personId") == "nina" for one in eve.entries("", "organization")))
        same = await adam.command("", enrolled("nina", "STAFF"))
        assert same.ok and same.seq == 0  # Nothing to change.
        assert (await adam.command("", enrolled("nina", "PATIENT"))).code == ALREADY_EXISTS
        for action, field in ((enrolled("not an id", "STAFF"), "enrollPerson.personId"), (enrolled("x" * 65, "STAFF"), "enrollPerson.personId"),
                              (enrolled("bob", "UNSPECIFIED"), "enrollPerson.kind"), (enrolled("bob", "STAFF", name=""), "enrollPerson.name"),
                              (enrolled("bob", "STAFF", roles=["ROLE_SURGEON"]), "enrollPerson.roles"),
                              (enrolled("bob", "PATIENT", roles=["ROLE_ADMINISTRATOR"]), "enrollPerson.roles"),
                              ({"suspendPerson": {"personId": "nina"}}, "suspendPerson.reason")):
            refused = await adam.command("", action)
            assert (refused.code, refused.field) == (INVALID_ARGUMENT, field), action
        assert (await adam.command("pat", enrolled("bob", "STAFF"))).field == "patientId"
        assert (await adam.command("", {"suspendPerson": {"personId": "nobody", "reason": "never heard of them"}})).code == NOT_FOUND
        assert (await adam.command("", {"suspendPerson": {"personId": "adam", "reason": "I have had enough"}})).code == FAILED_PRECONDITION
        # One administrator suspends the other, in the middle of a session.
        assert (await eve.command("", {"suspendPerson": {"personId": "adam", "reason": "has had enough"}})).ok
        assert await adam.closed() == 4403


async def test_an_administrator_who_is_none_any_more(hospital, form):
    """Taking the role away ends the reading of the organisation on the open connection."""
    async with await Client.connect(hospital, "adam", form) as adam, await Client.connect(hospital, "eve", form) as eve:
        assert (await adam.command("", {"enrollPerson": {"personId": "eve", "name": "Admin eve", "kind": "PERSON_KIND_STAFF"}})).ok
        await eve.until(lambda: not eve.access)
        assert (await adam.command("", enrolled("bob", "STAFF"))).ok
        await eve.fence()
        assert not any(b"bob" in one for one in eve.transcript)
        assert (await eve.command("", enrolled("carol", "STAFF"))).code == NOT_FOUND
