"""AT-1, hold for neutropenia: what tasks and messages do from the laboratory's result to the last review. The plan's own part is not here."""
import datetime

import pytest
from careteam_client import FAILED_PRECONDITION, PERMISSION_DENIED
from server import practitioner_resource, room_resources
from story_checks import instant, reference, told

STAFF = [("rao", "medical-oncologist"), ("claire", "nurse-practitioner"), ("nina", "oncology-nurse"), ("grace", "oncology-nurse"), ("omar", "pharmacist"),
         ("yuki", "pharmacist"), ("sam", "social-worker")]
FACTS = [{"name": "ANC", "value": "0.72", "unit": "10^9/L"}, {"name": "drug", "value": "palbociclib"}, {"name": "when", "value": "tonight 20:00"}]
ALWAYS = (0, 24)


@pytest.fixture
def story(tmp_path):
    with told(tmp_path, [practitioner_resource("lang"), *room_resources("rosa", STAFF)], "08:00") as story:
        yield story


async def the_clinic(story):
    """Three duties; Dr Rao is the attending and has invited Dr Lang, who reads what comes from now on."""
    nurse, doctor, pharmacist = "ROLE_ONCOLOGY_NURSE", "ROLE_MEDICAL_ONCOLOGIST", "ROLE_PHARMACIST"
    await story.define_duty("onc-rn", nurse, {"grace": nurse, "nina": nurse}, {"nina": ALWAYS})
    await story.define_duty("onc-md", doctor, {"rao": doctor}, {"rao": ALWAYS})
    await story.define_duty("onc-pharm", pharmacist, {"omar": pharmacist, "yuki": pharmacist}, {"omar": ALWAYS})
    version = int((await story.staff["rao"].roster("rosa"))["rosterVersion"])
    await story.must("rao", "rosa", "assignAttending", expectedRosterVersion=str(version), personId="rao")
    await story.must("rao", "rosa", "inviteConsultant", expectedRosterVersion=str(version + 1), personId="lang", role="ROLE_PATHOLOGIST",
                     streams=["STREAM_CLINICAL"], history="HISTORY_FROM_NOW", until=story.calendar.text("08:00", day=14), reason="reads her blood counts")
    await story.staff["lang"].until(lambda: ("rosa", "clinical") in story.staff["lang"].streams())


async def seen(story, person, seq, name):
    """The entry of `clinical` as the person was given it."""
    entry = await story.staff[person].has("rosa", "clinical", seq)
    assert name in entry, entry
    return entry[name]


async def test_at_1_a_result_comes_in_and_every_loop_is_closed(story):
    at = story.calendar
    await story.connect(["alex", "rao", "claire", "nina", "grace", "omar", "yuki", "sam", "lang"], ["rosa"])
    await the_clinic(story)

    # 10:42 A critical result, and a task whose facts must be read back.
    at.set("10:42")
    result = await story.say("lang", "rosa", "clinical", {"criticalResult": {
        "test": "ANC", "value": "0.72 x10^9/L", "referenceRange": story.hidden("1.5 to 8.0"), "resultedAt": at.text("10:40")}})
    task = await story.ask("lang", "rosa", "clinical", "ANC 0.72, C2D1 due 20:00", kind="TASK_KIND_RESULT", priority="PRIORITY_ASAP", due=at.text("20:00"),
                           target={"dutyId": "onc-rn"}, facts=FACTS, readBack=True, requiredOutputs=["told"], message=reference(result))
    await story.owed_is({task: "nina"})

    # 10:44 Nina reads back another value: it stays with her as `received`, the sender is told, and that outlives a crash.
    at.set("10:44")
    await story.tell("nina", task, "claimTask")
    tried = await story.tell("nina", task, "acceptTask", readBack=[{**FACTS[0], "value": "0.92"}, *FACTS[1:]])
    mismatch = await seen(story, "lang", tried.seq, "taskReadBackMismatched")
    assert mismatch["differs"] == ["ANC"] and mismatch["readBack"][0]["value"] == "0.92"
    await story.owed["nina"].shows(task, taskStatus="TASK_STATUS_RECEIVED")
    assert instant(story.owed["nina"].items[task]["breach"]) < at.moment("10:50"), "she has five minutes to decide"
    story.server.kill9()
    story.server.start()
    await story.connect_again()
    await story.owed["nina"].shows(task, taskStatus="TASK_STATUS_RECEIVED", standing="STANDING_ANSWERS")
    assert (await command(story, "nina", task, "startTask")).code == FAILED_PRECONDITION
    assert (await command(story, "grace", task, "acceptTask", readBack=FACTS)).ok is False, "it is Nina's"
    accepted = await story.tell("nina", task, "acceptTask", readBack=FACTS)
    assert (await seen(story, "lang", accepted.seq, "taskAccepted"))["dutyId"] == "onc-rn"
    await story.tell("nina", task, "startTask")

    # 10:49 An SBAR to the duty of the oncologists, and the decision that it asks for; 10:51 Dr Rao takes both.
    at.set("10:49")
    sbar = {part: story.hidden(text) for part, text in (
        ("situation", "ANC 0.72, no fever"), ("background", "palbociclib, cycle 2 day 1 tonight"), ("assessment", "grade 3 neutropenia"),
        ("recommendation", "hold, count again in a week"))}
    question = await story.say("nina", "rosa", "clinical", {"sbar": sbar}, priority="PRIORITY_ASAP", mentions=[{"dutyId": "onc-md"}])
    decision = await story.ask("nina", "rosa", "clinical", "Decide on tonight's dose", priority="PRIORITY_ASAP", target={"dutyId": "onc-md"},
                               requiredOutputs=["decision"], message=reference(question))
    await story.owed_is({task: "nina", question: "rao", decision: "rao"})
    at.set("10:51")
    await story.acknowledge("rao", question)
    await story.tell("rao", decision, "acceptTask", "startTask")

    # 10:55 The hold, with everything that it asks of others.
    at.set("10:55")
    assert (await command(story, "rao", decision, "completeTask")).code == FAILED_PRECONDITION, "the decision itself is the evidence"
    decided = await story.say("rao", "rosa", "clinical", {"decision": {
        "decision": story.hidden("Hold palbociclib, letrozole goes on"), "rationale": story.hidden("ANC below 1.0 on day 1")}})
    await story.tell("rao", decision, "completeTask", outputs=[{"name": "decision", "entry": reference(decided)}])
    read = await story.ask("rao", "rosa", "shared", "Do NOT start palbociclib tonight. Keep taking letrozole.", kind="TASK_KIND_READ",
                           priority="PRIORITY_URGENT", due=at.text("20:00"), target={"personId": "rosa"})
    count = await story.ask("rao", "rosa", "clinical", "Blood count before the next cycle", due=at.text("11:00", day=7), target={"dutyId": "onc-rn"})
    review = await story.ask("rao", "rosa", "clinical", "Look over the hold", kind="TASK_KIND_REVIEW", priority="PRIORITY_URGENT",
                             due=at.text("10:55", day=1), target={"dutyId": "onc-pharm"}, twoPerson=True, requiredOutputs=["review"])
    await story.say("sam", "rosa", "support", "The refill waits, and so does the co-pay")
    await story.owed_is({task: "nina", read: "rosa", count: "nina", review: "omar"})
    await story.tell("nina", count, "acceptTask")
    await story.tell("omar", review, "acceptTask", "startTask")
    assert (await command(story, "rao", review, "completeTask", outputs=[{"name": "review", "value": "fine"}])).code == PERMISSION_DENIED

    # 11:12 Rosa has a question, which is Nina's at once; 11:16 the answer, and the result's own loop is closed to the laboratory.
    at.set("11:12")
    await story.tell("rosa", read, "acceptTask", "startTask")
    asked = await story.ask("rosa", "rosa", "shared", "Is it one tablet tonight?", kind="TASK_KIND_ANSWER", priority="PRIORITY_STAT", target={"dutyId": "onc-rn"})
    assert (await story.each_is_owed_by_one_person())[asked] == "nina"
    await story.tell("nina", asked, "acceptTask", "startTask")
    at.set("11:16")
    answer = await story.say("nina", "rosa", "shared", "Zero tonight: we wait for your white cells to recover.")
    done = await story.tell("nina", asked, "completeTask", outputs=[{"name": "answer", "entry": reference(answer)}])
    assert "taskCompleted" in await story.patients["rosa"].has("rosa", "shared", done.seq)
    await story.tell("rosa", read, "completeTask")
    assert (await command(story, "nina", task, "completeTask")).code == FAILED_PRECONDITION
    told_lab = await story.tell("nina", task, "completeTask", outputs=[{"name": "told", "value": story.hidden("Rosa, by telephone at 11:16")}])
    assert (await seen(story, "lang", told_lab.seq, "taskCompleted"))["outputs"][0]["name"] == "told"
    await story.owed_is({count: "nina", review: "omar"})

    # At 20:00 nothing is left that could fire; Omar's review closes on Tuesday at 9:30, the count on the Monday after.
    at.set("09:30", day=1)
    reviewed = await story.tell("omar", review, "completeTask", outputs=[{"name": "review", "value": story.hidden("The hold is right")}])
    assert (await seen(story, "rao", reviewed.seq, "taskCompleted"))["outputs"][0]["name"] == "review"
    at.set("09:00", day=7)
    await story.tell("nina", count, "startTask", "completeTask")
    await story.owed_is({})
    assert not [one for stream in ("clinical", "shared") for one in story.staff["rao"].entries("rosa", stream) if "taskEscalated" in one]
    assert [one["accountable"] for one in story.explained(task)][-2:] == ["nina", ""]
    story.end()


async def test_at_1_who_reads_back_wrong_and_goes_has_not_accepted(story):
    at = story.calendar
    await story.connect(["alex", "rao", "claire", "nina", "grace", "omar", "yuki", "sam", "lang"], ["rosa"])
    await the_clinic(story)
    at.set("10:42")
    task = await story.ask("lang", "rosa", "clinical", "ANC 0.72, C2D1 due 20:00", kind="TASK_KIND_RESULT", priority="PRIORITY_ASAP", due=at.text("20:00"),
                           target={"dutyId": "onc-rn"}, ladder=[{"personId": "claire"}, {"dutyId": "onc-md"}], facts=FACTS, readBack=True)
    asked_at = instant((await story.staff["rao"].has("rosa", "clinical", task[2]))["time"])
    at.set("10:44")
    tried = await story.tell("nina", task, "acceptTask", readBack=FACTS[:2])
    assert (await seen(story, "lang", tried.seq, "taskClaimed"))["dutyId"] == "onc-rn"
    assert (await seen(story, "lang", tried.seq + 1, "taskReadBackMismatched"))["differs"] == ["when"], "what was left out was not read back"

    async def climbs(name, count):
        """What the laboratory is given of it by now, of that kind."""
        def entries():
            return [one[name] for one in story.staff["lang"].entries("rosa", "clinical") if one.get(name, {}).get("seq") == str(task[2])]
        await story.staff["lang"].until(lambda: len(entries()) >= count)
        assert len(entries()) == count
        return entries()[-1]

    at.set("10:50")
    assert (await climbs("taskReleased", 1))["expired"], "who does not decide gives it back (T5)"
    for minutes, level, also_asked in ((15, 1, {"claire"}), (30, 2, {"claire", "rao"}), (45, 2, {"claire", "rao"})):
        at.go_to(asked_at + datetime.timedelta(minutes=minutes))
        step = await climbs("taskEscalated", minutes // 15)
        assert (step["level"], step.get("noResponse", False), step["timer"]) == (level, minutes == 45, "TASK_TIMER_ACCEPT")
        if "nextBy" in step:
            assert instant(step["nextBy"]) == asked_at + datetime.timedelta(minutes=minutes + 15), "from the same deadline (G5)"
        assert (await story.each_is_owed_by_one_person())[task] == "nina", "whoever is asked too, one answers"
        assert {person for person, owed in story.owed.items() if owed.items.get(task, {}).get("standing") == "STANDING_ASKED"} == also_asked
    # The lead of the duty has a stat task, and whoever was asked may still take the first.
    owed = await story.each_is_owed_by_one_person()
    (follow_up,) = set(owed) - {task}
    assert owed[follow_up] == "grace"
    followed = (await story.staff["grace"].has("rosa", "clinical", follow_up[2]))["taskRequested"]
    assert followed["origin"] == {"seq": str(task[2]), "rule": "TASK_RULE_NO_RESPONSE", "ordinal": 1} and followed["order"]["priority"] == "PRIORITY_STAT"
    await story.tell("claire", task, "acceptTask", readBack=FACTS)
    await story.tell("grace", follow_up, "acceptTask", "startTask", "completeTask")
    await story.owed_is({task: "claire"})
    story.end()


async def command(story, person, place, action, **more):
    patient, stream, seq = place
    return await story.client(person).command(patient, {action: {"task": {"stream": f"STREAM_{stream.upper()}", "seq": str(seq)}, **more}})
