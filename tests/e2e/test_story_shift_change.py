"""AT-4, a nurse's shift change: at seven o'clock Tom comes for the night, and Nina, who goes, answers for everything until the one commit that
moves it all.
"""
import datetime

import pytest
from careteam_client import FAILED_PRECONDITION, PERMISSION_DENIED
from server import practitioner_resource, room_resources
from story_checks import a_moment_before, instant, reference, told

DUTY = "duty/onc-rn"
STAFF = [("rao", "medical-oncologist"), ("okafor", "covering-oncologist"), ("claire", "nurse-practitioner"), ("nina", "oncology-nurse"),
         ("tom", "oncology-nurse"), ("grace", "oncology-nurse"), ("sam", "social-worker")]
PATIENTS = ["rosa", "mei", "ito", "abel", "bea", "carl", "dora", "emil", "fay"]
SEVERITIES = {"rosa": "WATCHER", "mei": "STABLE", "ito": "UNSTABLE"}
ON_DUTY = {"target": {"dutyId": "onc-rn"}}


@pytest.fixture
def story(tmp_path):
    with told(tmp_path, [practitioner_resource("vera"), *(one for patient in PATIENTS for one in room_resources(patient, STAFF))], "17:30") as story:
        yield story


def facts(story, name, stream="clinical", person="grace"):
    """What the duty's record tells, by the entries' name."""
    return [entry for entry in story.staff[person].entries(DUTY, stream) if name in entry]


async def shown(story, name, count=1, stream="clinical"):
    """Waits for the duty's record to tell it so often; the last entry."""
    await story.staff["grace"].until(lambda: len(facts(story, name, stream)) >= count)
    assert len(facts(story, name, stream)) == count
    return facts(story, name, stream)[-1]


def severity(patient):
    return SEVERITIES.get(patient, "STABLE")


def holder(story):
    return facts(story, "dutyHolderChanged", "duty")[-1]["dutyHolderChanged"]["personId"]


async def define(story):
    """Nina has the days, Tom the nights; Grace leads, Vera is the nurse manager."""
    members = dict.fromkeys(("grace", "nina", "tom"), "ROLE_ONCOLOGY_NURSE") | {"vera": "ROLE_NURSE_PRACTITIONER"}
    await story.define_duty("onc-rn", "ROLE_ONCOLOGY_NURSE", members, {"nina": (7, 19), "tom": (19, 31)}, managerPersonId="vera")
    await story.staff["grace"].until(lambda: facts(story, "dutyHolderChanged", "duty"))
    assert holder(story) == "nina"


async def the_days_work(story):
    """14 obligations of 9 patients. Returns their places; Rosa's call, which is due at eight, is the first, and what nobody acknowledges the last."""
    at = story.calendar
    at.set("17:40")
    accepted, started = ("claimTask", "acceptTask"), ("claimTask", "acceptTask", "startTask")
    plan = [("rao", "rosa", "clinical", "Call the lab about her ANC", {"priority": "PRIORITY_ASAP", "due": at.text("20:00")}, started),
            ("rao", "rosa", "clinical", "Ask how she sleeps", {}, ()),
            ("claire", "mei", "clinical", "Look at her hands", {"priority": "PRIORITY_URGENT", "due": at.text("23:00")}, accepted),
            ("claire", "mei", "clinical", "Weigh her", {}, started),
            ("rao", "ito", "clinical", "Ask for the blood culture", {"priority": "PRIORITY_URGENT", "due": at.text("22:00")}, started),
            ("claire", "ito", "clinical", "Explain the port", {}, ()),
            ("claire", "abel", "clinical", "Count his pills", {}, ()),
            ("rao", "bea", "clinical", "Pain at eight", {"priority": "PRIORITY_URGENT", "due": at.text("23:30")}, accepted),
            ("rao", "bea", "clinical", "Consent for the study", {}, accepted),
            ("claire", "carl", "clinical", "Change the dressing", {}, ()),
            ("claire", "dora", "clinical", "Call her daughter", {}, ()),
            ("rao", "emil", "clinical", "Read the infusion pump", {"priority": "PRIORITY_URGENT", "due": at.text("23:45")}, accepted),
            ("sam", "fay", "support", "A taxi for the way home", {}, ())]
    places = []
    for author, patient, stream, title, more, actions in plan:
        places.append(await story.ask(author, patient, stream, title, **ON_DUTY, **more))
        if actions:
            await story.tell("nina", places[-1], *actions)
    await story.tell("nina", places[3], "pauseTask", reason=story.hidden("She eats first"), resumeAt=at.text("21:00"))
    at.set("18:12")
    places.append(await story.say("claire", "abel", "clinical", "His potassium is 5.4, who repeats it", priority="PRIORITY_ASAP",
                                  mentions=[{"dutyId": "onc-rn"}]))
    owed = await story.each_is_owed_by_one_person()
    assert owed == dict.fromkeys(places, "nina") and len(places) == 14 and len({patient for patient, _, _ in places}) == 9
    return places


async def drafted(story, places):
    """HO1: 45 minutes before the end, and not sooner, the server begins a handoff with all that is owed; returns its seq."""
    story.calendar.set("18:15")
    entry = await shown(story, "handoffPrepared")
    assert 0 <= (instant(entry["time"]) - story.calendar.moment("18:15")).total_seconds() < 10
    prepared = entry["handoffPrepared"]
    assert not entry["author"].get("personId") and (prepared["fromPersonId"], prepared["toPersonId"]) == ("nina", "tom")
    assert instant(prepared["shiftEnd"]) == story.calendar.moment("19:00")
    assert sorted(place_of(one) for one in prepared["owed"]) == sorted(places)
    return entry["seq"]


async def step(story, person, action, handoff, **more):
    return await story.client(person).command(DUTY, {action: {"handoff": {"seq": handoff}, **more}})


async def good(story, person, action, handoff, **more):
    answer = await step(story, person, action, handoff, **more)
    assert answer.ok, (action, answer)


async def silence_climbs(story, message, time_of_day, level):
    story.calendar.set(time_of_day)
    await story.staff["grace"].until(lambda: len([one for one in story.staff["grace"].entries(message[0], "clinical")
                                                  if one.get("messageEscalated", {}).get("seq") == str(message[2])]) == level)


async def described(story, handoff):
    """HO1: Nina says of everybody how ill they are, what there is to know, and what to do if."""
    for patient in PATIENTS:
        await good(story, "nina", "describePatient", handoff, patient={
            "patientId": patient, "severity": f"SEVERITY_{severity(patient)}", "summary": story.hidden(f"What there is to know of {patient}"),
            "contingencies": [story.hidden("if the fever rises, call the doctor on call")]})


async def offered(story, handoff, places):
    """HO2: Nina offers, and the server lists what is owed; silence about what nobody acknowledged climbs meanwhile."""
    await silence_climbs(story, places[-1], "18:27", 1)
    await described(story, handoff)
    story.calendar.set("18:38")
    await good(story, "nina", "offerHandoff", handoff)
    offer = (await shown(story, "handoffOffered"))["handoffOffered"]
    listed = [place_of(one) for one in offer["owed"]]
    assert sorted(listed) == sorted(places)
    assert [place[0] for place in listed[:4]] == ["ito", "ito", "rosa", "rosa"], "unstable, then watched, then stable"
    deadlines = {place: item.get("breach") for place, item in story.owed["nina"].answers().items()}
    assert {place_of(one): one.get("deadline") for one in offer["owed"]} == deadlines
    return offer["owedHash"]


def place_of(owed):
    return owed["entry"]["patientId"], owed["entry"]["stream"].removeprefix("STREAM_").lower(), int(owed["entry"]["seq"])


async def taken(story, handoff):
    """HO3 and HO4."""
    await good(story, "tom", "openHandoff", handoff)
    await good(story, "tom", "takeHandoff", handoff)
    await shown(story, "handoffTaken")


async def says_back(story, handoff, patient, text="", top=None, due=None):
    """HO6: in Tom's own words, with what is due first and when; a stable patient by one tap. Whether the server finds that something differs."""
    said = {"synthesis": story.hidden(text), "topAction": reference(top), "topDeadline": due} if text else {}
    before = len(facts(story, "patientSynthesized"))
    await good(story, "tom", "synthesizePatient", handoff, patientId=patient, **said)
    return bool((await shown(story, "patientSynthesized", before + 1))["patientSynthesized"].get("mismatch"))


async def cannot_say_back(story, handoff, call):
    """HO5: nothing is said back before what has changed was displayed."""
    refused = await step(story, "tom", "synthesizePatient", handoff, patientId="rosa", synthesis="Low counts; the lab first.", topAction=reference(call),
                         topDeadline=story.calendar.text("20:00"))
    assert refused.code == FAILED_PRECONDITION and "delta" in refused.message, refused


async def everything_said_back(story, handoff, call):
    """HO6, where nothing has happened since the offer but time."""
    await good(story, "tom", "showHandoffDelta", handoff)
    top = min((place for place in story.owed["nina"].answers() if place[0] == "ito"),
              key=lambda place: instant(story.owed["nina"].items[place]["breach"]))
    assert await says_back(story, handoff, "ito", "Wait for the culture.", top, story.owed["nina"].items[top]["breach"]) is False
    assert await says_back(story, handoff, "rosa", "Low counts; the lab first.", call, story.calendar.text("20:00")) is False
    for patient in PATIENTS:
        if severity(patient) == "STABLE":
            assert await says_back(story, handoff, patient) is False


async def test_at_4_a_shift_is_handed_over(story):
    at = story.calendar
    await story.connect(["alex", "nina", "tom", "grace", "vera", "rao", "okafor", "claire", "sam"], ["ito", "rosa"])
    await define(story)
    places = await the_days_work(story)
    call, potassium = places[0], places[-1]
    await story.say("rosa", "rosa", "shared", "I can come at nine tomorrow")
    handoff = await drafted(story, places)
    first_hash = await offered(story, handoff, places)
    await silence_climbs(story, potassium, "18:42", 2)
    at.set("18:47")
    await taken(story, handoff)

    # Ms Ito reports a fever: the handoff is stale, and it is still Nina's.
    at.set("18:52")
    fever = await story.ask("ito", "ito", "shared", "I have 38.4 degrees and I shiver", kind="TASK_KIND_REPORT", priority="PRIORITY_STAT", **ON_DUTY)
    owed = await story.each_is_owed_by_one_person()
    assert set(owed) == {*places, fever} and set(owed.values()) == {"nina"}
    at.set("18:53")
    await cannot_say_back(story, handoff, call)
    assert not (await story.staff["tom"].command("ito", {"claimTask": {"task": {"stream": "STREAM_SHARED", "seq": str(fever[2])}}})).ok
    await story.tell("nina", fever, "claimTask", "acceptTask", "startTask")
    await story.say("nina", "ito", "shared", "Please go to the emergency department now; they wait for you.")
    at.set("18:54")
    asked = await story.say("nina", "ito", "clinical", "38.4 at home, ED called. Antibiotics within 60 min of triage?", priority="PRIORITY_STAT",
                            mentions=[{"personId": "okafor"}])
    assert (await story.each_is_owed_by_one_person())[asked] == "okafor"
    await story.acknowledge("okafor", asked)
    callback = await story.ask("nina", "ito", "clinical", "ED calls back", kind="TASK_KIND_CALL", priority="PRIORITY_ASAP", due=at.text("19:30"), **ON_DUTY)
    await story.tell("nina", callback, "claimTask", "acceptTask", "startTask")
    await story.tell("nina", fever, "completeTask", outputs=[{"name": "advice", "value": "Sent to the emergency department"}])
    # What nobody acknowledged has reached the lead, who sees to it; who answers for it has not changed.
    await silence_climbs(story, potassium, "18:57", 3)
    owed = await story.each_is_owed_by_one_person()
    (follow_up,) = set(owed) - {*places, callback}
    assert owed.pop(follow_up) == "grace" and set(owed.values()) == {"nina"}
    await story.tell("grace", follow_up, "acceptTask", "startTask", "completeTask")

    # Tom must see what has changed before he can say anything back.
    at.set("18:58")
    await cannot_say_back(story, handoff, call)
    await good(story, "tom", "showHandoffDelta", handoff)
    delta = (await shown(story, "handoffDeltaShown"))["handoffDeltaShown"]
    assert {place_of(one) for one in delta["owed"]} == {callback, potassium} and delta["owedHash"] != first_hash
    assert await says_back(story, handoff, "rosa", "Low counts; the lab first.", call, at.text("20:00")) is False
    for patient in PATIENTS:
        if severity(patient) == "STABLE":
            assert await says_back(story, handoff, patient) is False
    words = "Ito: fever 38.4, ED called, Okafor aware, antibiotics within 60 min of triage, ED callback 19:30"
    assert await says_back(story, handoff, "ito", words, callback, at.text("19:45")) is True, "he typed another time than the task has"
    assert (await step(story, "nina", "confirmHandoff", handoff)).code == FAILED_PRECONDITION
    await good(story, "nina", "correctSynthesis", handoff, patientId="ito", correction=story.hidden("The callback is at 19:30, not at 19:45."))
    assert "19:30" in (await shown(story, "synthesisCorrected"))["synthesisCorrected"]["correction"]
    assert await says_back(story, handoff, "ito", words, callback, at.text("19:30")) is False

    # Everything is said back, and the server dies before Nina confirms: she is accountable still.
    everything = {*places, callback}
    before = await story.each_is_owed_by_one_person()
    assert before == dict.fromkeys(everything, "nina") and holder(story) == "nina"
    deadlines = {place: item.get("breach") for place, item in story.owed["nina"].answers().items()}
    story.server.kill9()
    story.server.start()
    await story.connect_again()
    await story.owed_is(before)
    assert holder(story) == "nina"
    assert {place: item.get("breach") for place, item in story.owed["nina"].answers().items()} == deadlines

    # One commit on the duty.
    at.set("19:03")
    assert (await step(story, "tom", "confirmHandoff", handoff)).code == PERMISSION_DENIED
    await story.owed_is(before)  # Nobody stops being responsible because the clock passed.
    await good(story, "nina", "confirmHandoff", handoff)
    changed = await shown(story, "dutyHolderChanged", 2, "duty")
    completed = await shown(story, "handoffCompleted")
    assert changed["time"] == completed["time"] and changed["dutyHolderChanged"]["reason"] == "HOLDER_REASON_HANDOFF"
    assert not changed["dutyHolderChanged"].get("unwitnessedBySender") and not completed["handoffCompleted"].get("unwitnessedBySender")
    await story.owed_is(dict.fromkeys(everything, "tom"))
    assert {place: item.get("breach") for place, item in story.owed["tom"].answers().items()} == deadlines, "deadlines are nobody's to move"
    # Each of them changed its accountable person with that entry, and at no other time.
    for place in sorted(everything):
        people = [one["accountable"] for one in story.explained(place)]
        assert people[-1] == "tom" and set(people[:-1]) == {"nina"}, (place, people)
        assert story.accountable(place, a_moment_before(changed["time"])) == "nina"
        assert story.accountable(place, changed["time"]) == "tom"

    # From now on the duty is Tom.
    asap = await story.say("rao", "ito", "clinical", "First dose given at triage", priority="PRIORITY_ASAP", mentions=[{"dutyId": "onc-rn"}])
    posted = story.staff["rao"].entry("ito", "clinical", asap[2])["messagePosted"]
    assert posted["mentions"] == [{"personId": ["tom"], "dutyId": "onc-rn"}]
    stat = await story.ask("rao", "ito", "clinical", "Her lactate", priority="PRIORITY_STAT", **ON_DUTY)
    owed = await story.each_is_owed_by_one_person()
    assert owed[asap] == owed[stat] == "tom"
    await story.tell("tom", callback, "completeTask")
    for message in (asap, potassium):
        await story.acknowledge("tom", message)
    await story.each_is_owed_by_one_person()
    story.end()


async def offered_at_18_38(story):
    """What is handed over, whoever then is there or not: the places of all that is owed, and the handoff."""
    await define(story)
    places = await the_days_work(story)
    await story.acknowledge("nina", places.pop())
    handoff = await drafted(story, places)
    await described(story, handoff)
    story.calendar.set("18:38")
    await good(story, "nina", "offerHandoff", handoff)
    return places, handoff


async def test_at_4_nina_is_gone_and_the_lead_witnesses(story):
    at = story.calendar
    await story.connect(["alex", "nina", "tom", "grace", "rao", "claire", "sam"], ["rosa", "ito"])
    places, handoff = await offered_at_18_38(story)
    at.set("18:47")
    await taken(story, handoff)
    at.set("18:58")
    await everything_said_back(story, handoff, places[0])
    said_back = facts(story, "patientSynthesized")[-1]["time"]
    await story.staff["nina"].close()

    at.set("19:12")
    early = await step(story, "grace", "confirmHandoff", handoff)
    assert early.code == FAILED_PRECONDITION and holder(story) == "nina", "not before 15 minutes have passed"
    assert (await step(story, "tom", "confirmHandoff", handoff)).code == PERMISSION_DENIED, "whoever takes over is no witness of it"
    at.go_to(instant(said_back) + datetime.timedelta(minutes=15))  # 19:13, and the seconds that Tom took.
    await good(story, "grace", "confirmHandoff", handoff)
    changed = await shown(story, "dutyHolderChanged", 2, "duty")
    waited = instant(changed["time"]) - instant(said_back)
    assert 15 * 60 <= waited.total_seconds() < 16 * 60
    assert changed["author"]["personId"] == "grace" and changed["dutyHolderChanged"]["personId"] == "tom"
    assert changed["dutyHolderChanged"]["unwitnessedBySender"] and facts(story, "handoffCompleted")[-1]["handoffCompleted"]["unwitnessedBySender"]
    await story.connect_again()
    await story.owed_is(dict.fromkeys(places, "tom"))
    for place in places:
        assert story.accountable(place, a_moment_before(changed["time"])) == "nina"
        assert story.accountable(place, changed["time"]) == "tom"
    story.end()


async def test_at_4_tom_never_opens_it_and_silence_climbs_to_the_manager(story):
    at = story.calendar
    await story.connect(["alex", "nina", "tom", "grace", "vera", "rao", "claire", "sam"], ["rosa", "ito"])
    places, handoff = await offered_at_18_38(story)

    async def reminded_at(time_of_day, so_often):
        """Who is told at that time, and not sooner."""
        at.set(time_of_day)
        entry = await shown(story, "dutyReminded", so_often, "duty")
        assert 0 <= (instant(entry["time"]) - at.moment(time_of_day)).total_seconds() < 10
        await story.owed_is(dict.fromkeys(places, "nina"))  # She stays accountable.
        reminded = entry["dutyReminded"]
        return reminded["timer"].removeprefix("DUTY_TIMER_"), reminded["personId"], reminded["priority"].removeprefix("PRIORITY_")

    assert await reminded_at("18:48", 1) == ("RECEIVE", ["tom", "nina"], "ASAP")
    assert await reminded_at("19:15", 2) == ("LEAD", ["grace"], "ASAP")
    assert await reminded_at("19:30", 3) == ("MANAGER", ["vera", "grace"], "STAT")
    assert len(facts(story, "dutyReminded", "duty", "vera")) == 3
    assert holder(story) == "nina" and not facts(story, "handoffOpened") and not facts(story, "handoffCompleted")

    # Until the lead takes it: a commit of its own, with the reason.
    await story.must("grace", DUTY, "forceTakeDuty", reason="Tom is not here, and Nina has been on since seven")
    changed = (await shown(story, "dutyHolderChanged", 2, "duty"))["dutyHolderChanged"]
    assert (changed["personId"], changed["previousPersonId"], changed["reason"]) == ("grace", "nina", "HOLDER_REASON_FORCED")
    assert (await shown(story, "handoffEnded"))["handoffEnded"]["end"] == "HANDOFF_END_OVERTAKEN"
    await story.owed_is(dict.fromkeys(places, "grace"))
    story.end()
