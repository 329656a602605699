"""Handoffs, duties and protocols as FHIR R4: what `careteam export` writes of them, of everybody or of one patient, and that an import takes none."""
import datetime
import json
import zoneinfo

from careteam_client import Client
from test_duties import DUTY, ask, clinic, define, due_of, good, handed_to_confirmation, holder  # noqa: F401 (a fixture)
from test_fhir_tasks import exported, unkept
from test_protocol import item
from test_team_duty import admit

FIVE = ["illness-severity", "patient-summary", "action-list", "situation-awareness", "synthesis-by-receiver"]


def resources(bundle, kind):
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def code(concept):
    return concept["coding"][0]["code"]


def handoffs(bundle):
    return [one for one in resources(bundle, "Task") if code(one["code"]) == "handoff"]


def resolved(bundle, reference):
    """The resource to which a literal reference leads; it must be in the Bundle."""
    found, = [one["resource"] for one in bundle["entry"] if f"{one['resource']['resourceType']}/{one['resource']['id']}" == reference["reference"]]
    return found


def sections(bundle, handoff):
    """Patient by patient, part by part."""
    document = resolved(bundle, handoff["input"][0]["valueReference"])
    return {one["focus"]["reference"]: {code(part["code"]): part for part in one["section"]} for one in document["section"]}


def words(part):
    return part["text"]["div"]


def audited(server, *record):
    return server.tool("audit", "--config", server.config, *record).stdout.count("audited")


async def handed_over(clinic):  # noqa: F811
    """Nina has handed over to Tom: two tasks of pat, one of mei, and what nobody has acknowledged of mei. Returns when pat's first one is due."""
    await define(clinic)
    rao, nina, tom = [await Client.connect(clinic, person) for person in ("rao", "nina", "tom")]
    first = await ask(rao, "pat", "Call the lab", priority="PRIORITY_ASAP")
    await ask(rao, "pat", "Ask about her sleep")
    await ask(rao, "mei", "Weigh her")
    said = await rao.command("mei", {"postMessage": {"stream": "STREAM_CLINICAL", "priority": "PRIORITY_ASAP", "content": {"text": "Her potassium is 5.4"},
                                                     "mentions": [{"dutyId": "onc-rn"}]}})
    assert said.ok, said
    handoff = await handed_to_confirmation(nina, tom, first)
    await good(nina, "confirmHandoff", handoff)
    await tom.until(lambda: holder(tom) == "tom")
    return due_of(tom, "pat", first)


async def test_a_handoff_leaves_as_it_was(clinic):  # noqa: F811
    due = await handed_over(clinic)
    bundle = exported(clinic, "--texts")
    handoff, = handoffs(bundle)
    assert handoff["status"] == "completed" and "for" not in handoff
    assert (handoff["requester"]["reference"], handoff["owner"]["reference"]) == ("Practitioner/nina", "Practitioner/tom")
    owed = resolved(bundle, handoff["focus"])
    assert len(owed["entry"]) == 4 and owed["mode"] == "snapshot"
    tasks = [resolved(bundle, one["item"])["code"]["text"] for one in owed["entry"] if "reference" in one["item"]]
    assert sorted(tasks) == ["Ask about her sleep", "Call the lab", "Weigh her"]
    message, = [one["item"] for one in owed["entry"] if "reference" not in one["item"]]
    assert message == {"type": "Communication", "identifier": {"system": "urn:careteam:entry", "value": "mei/clinical/2"}}
    assert owed["entry"][0]["extension"][0]["valueDateTime"][:19] == due[:19]

    told = sections(bundle, handoff)
    assert list(told) == ["Patient/pat", "Patient/mei"], "watched before stable"
    assert all(list(parts) == FIVE for parts in told.values())
    pat = told["Patient/pat"]
    assert pat["illness-severity"]["extension"][0]["valueCode"] == "watcher"
    assert "What there is to know of pat" in words(pat["patient-summary"]) and "if the fever rises" in words(pat["situation-awareness"])
    assert len(pat["action-list"]["entry"]) == 2
    assert "call the lab at once" in words(pat["synthesis-by-receiver"]) and pat["synthesis-by-receiver"]["author"][0]["reference"] == "Practitioner/tom"

    commit, = resources(bundle, "Provenance")
    assert [(code(one["role"][0]), one["who"]["reference"]) for one in commit["agent"]] == [("gave", "Practitioner/nina"), ("took", "Practitioner/tom")]
    assert resolved(bundle, commit["target"][0]) == handoff and len(commit["target"]) == 6
    duty, = resources(bundle, "PractitionerRole")
    assert duty["id"] == "onc-rn" and duty["practitioner"]["reference"] == "Practitioner/tom"

    # It goes nowhere by an import, and in the store that it came from nothing changes.
    file = clinic.folder / "handoff.json"
    file.write_text(json.dumps(bundle))
    done = unkept("import", "--config", clinic.config, file)
    assert done.returncode == 0 and "steps=0 " in done.stdout, done
    assert "is a handoff: the people of a duty hand it over" in done.stderr and "PractitionerRole/onc-rn: is a duty" in done.stderr
    # What no person said is told without texts, too.
    plain = json.dumps(exported(clinic, run=clinic.tool))
    assert "watcher" in plain and "fever" not in plain and "Weigh" not in plain and "Oncology" not in plain
    clinic.kill9()
    assert clinic.verify().returncode == 0 and clinic.rebuild().returncode == 0


async def test_of_one_patient_a_handoff_tells_nothing_of_another(clinic):  # noqa: F811
    await handed_over(clinic)
    for texts in ([], ["--texts"]):
        bundle = exported(clinic, "--patient", "pat", *texts)
        assert "mei" not in json.dumps(bundle).lower() and "potassium" not in json.dumps(bundle)
        handoff, = handoffs(bundle)
        assert handoff["for"]["reference"] == "Patient/pat" and handoff["status"] == "completed"
        assert [one["item"]["reference"] for one in resolved(bundle, handoff["focus"])["entry"]] == ["Task/pat.clinical.1", "Task/pat.clinical.2"]
        assert list(sections(bundle, handoff)) == ["Patient/pat"]
        commit, = resources(bundle, "Provenance")
        assert len(commit["target"]) == 4
    # Nobody looked into her record for it.
    assert audited(clinic, "--patient", "pat") == 2 and audited(clinic, "--patient", "mei") == 0


async def test_a_duty_alone_and_beside_a_patient(clinic):  # noqa: F811
    await handed_over(clinic)
    file = clinic.folder / "duty.json"
    done = unkept("export", "--config", clinic.config, "--texts", "--duty", "onc-rn", "--out", file)
    assert done.returncode == 0 and done.stdout == "exported: records=1 tasks=0 handoffs=1\n", done
    bundle = json.loads(file.read_text())
    handoff, = resources(bundle, "Task")
    items = [one["item"] for one in resolved(bundle, handoff["focus"])["entry"]]
    assert [one["identifier"]["value"] for one in items] == ["pat/clinical/1", "pat/clinical/2", "mei/clinical/1", "mei/clinical/2"]
    assert [one.get("display") for one in items] == ["Call the lab", "Ask about her sleep", "Weigh her", None]
    assert list(sections(bundle, handoff)) == ["Patient/pat", "Patient/mei"]
    # Of whom it tells sees that somebody looked.
    assert [audited(clinic, *record) for record in (["--duty", "onc-rn"], ["--patient", "pat"], ["--patient", "mei"])] == [1, 1, 1]

    both = exported(clinic, "--duty", "onc-rn", "--patient", "mei")
    handoff, = handoffs(both)
    assert "for" not in handoff, "as a whole, once"
    assert [one["item"].get("reference") for one in resolved(both, handoff["focus"])["entry"]] == [None, None, "Task/mei.clinical.1", None]
    for wrong in (["--duty", "no-such"], ["--duty", ""]):
        done = unkept("export", "--config", clinic.config, *wrong)
        assert done.returncode == 1 and done.stderr == "careteam export: there is no such record\n" and not done.stdout


async def test_a_duty_on_a_team_and_a_protocol_are_told_and_not_imported(clinic):  # noqa: F811
    alex = await define(clinic)
    rao = await Client.connect(clinic, "rao")
    joined = await admit(alex)
    assert joined.ok, joined
    # Its first day is tomorrow, and it is asked for two days before: at once. Its second one is to come.
    tomorrow = datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Berlin")).date() + datetime.timedelta(days=1)
    started = await rao.command("pat", {"startProtocol": {"stream": "STREAM_CLINICAL", "plan": {
        "protocolId": "capecitabine", "name": "Capecitabine", "timeZone": "Europe/Berlin", "day1": tomorrow.isoformat(), "cycleDays": 21, "cycles": 2,
        "items": [item("cbc", [1, 15], {"dutyId": "onc-rn"}, leadDays=2)]}}})
    assert started.ok, started
    await rao.until(lambda: any("taskRequested" in one for one in rao.entries("pat", "clinical")))
    bundle = exported(clinic, "--texts", "--patient", "pat")
    plan, = resources(bundle, "CarePlan")
    assert (plan["status"], plan["intent"], plan["title"], plan["period"]["start"]) == ("active", "plan", "Capecitabine", tomorrow.isoformat())
    task, = resources(bundle, "Task")
    assert resolved(bundle, plan["activity"][0]["reference"]) == task and resolved(bundle, task["basedOn"][0]) == plan
    assert task["groupIdentifier"] == {"system": "urn:careteam:protocol", "value": "pat/clinical/capecitabine"} == plan["identifier"][0]
    day = next(one["extension"] for one in task["extension"] if one["url"] == "urn:careteam:protocol-day")
    assert [value for part in day[:3] for name, value in part.items() if name != "url"] == ["cbc", 1, 1]
    assert [one["detail"]["status"] for one in plan["activity"][1:]] == ["scheduled"] * 3
    team, = resources(bundle, "CareTeam")
    member = next(one["member"] for one in team["participant"] if one["member"].get("type") == "PractitionerRole")
    assert resolved(bundle, member)["practitioner"]["reference"] == "Practitioner/nina"

    file = clinic.folder / "plan.json"
    file.write_text(json.dumps(bundle))
    done = unkept("import", "--config", clinic.config, file)
    assert done.returncode == 0 and "steps=0 " in done.stdout, done
    assert "CarePlan/pat.clinical.capecitabine: is a protocol" in done.stderr and "is a duty: it does not join a team" in done.stderr
