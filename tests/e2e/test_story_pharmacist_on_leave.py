"""AT-8, a pharmacist on leave: nobody goes without cover, what is left uncovered is told in time, and what is owed has one person all the while."""
import datetime

import pytest
from careteam_client import FAILED_PRECONDITION, PERMISSION_DENIED
from server import practitioner_resource, room_resources
from story_checks import a_moment_before, instant, told

DUTY = "duty/onc-pharm"
STAFF = [("rao", "medical-oncologist"), ("grace", "oncology-nurse")]
PATIENTS = {"rosa", "mei"}
WEDNESDAY, FRIDAY, SATURDAY, SUNDAY, MONDAY = 2, 4, 5, 6, 7
ON_DUTY = {"target": {"dutyId": "onc-pharm"}}


@pytest.fixture
def story(tmp_path):
    people = [practitioner_resource("omar"), practitioner_resource("yuki"), *room_resources("rosa", STAFF), *room_resources("mei", STAFF)]
    with told(tmp_path, people, "09:00", WEDNESDAY) as story:
        yield story


def reads(story, person):
    return {record for record, _ in story.staff[person].streams()} & PATIENTS


def facts(story, name):
    return [entry for entry in story.staff["grace"].entries(DUTY, "duty") if name in entry]


async def shown(story, name, count):
    """Waits for the duty's stream to tell it so often; the last entry."""
    await story.staff["grace"].until(lambda: len(facts(story, name)) >= count)
    assert len(facts(story, name)) == count
    return facts(story, name)[-1]


async def the_clinic(story):
    """Omar has the duty, every day; Grace leads it, and is no pharmacist. The duty is on both teams: he and Yuki read by it, or nothing."""
    pharmacist = "ROLE_PHARMACIST"
    await story.define_duty("onc-pharm", pharmacist, {"grace": "ROLE_ONCOLOGY_NURSE", "omar": pharmacist, "yuki": pharmacist}, {"omar": (0, 24)})
    for patient in ("rosa", "mei"):
        version = (await story.staff["rao"].roster(patient))["rosterVersion"]
        await story.must("rao", patient, "addMember", expectedRosterVersion=version, dutyId="onc-pharm", role=pharmacist,
                         reason="their pharmacist")
    await story.staff["omar"].until(lambda: reads(story, "omar") == PATIENTS)
    assert not reads(story, "yuki")
    assert (await shown(story, "dutyHolderChanged", 1))["dutyHolderChanged"]["personId"] == "omar"


async def enter_leave(story, person, **more):
    """Omar's, from Friday at five until Monday at eight."""
    at = story.calendar
    return await story.staff[person].command(DUTY, {"enterLeave": {
        "expectedRosterVersion": "2", "leaveId": "weekend", "personId": "omar",
        "period": {"start": at.text("17:00", FRIDAY), "end": at.text("08:00", MONDAY)}, **more}})


async def the_leave(story):
    """Without cover it is refused, with the list; with Yuki until Sunday at six an administrator accepts what is left."""
    at = story.calendar
    yuki = [{"personId": "yuki", "period": {"start": at.text("17:00", FRIDAY), "end": at.text("18:00", SUNDAY)}}]

    def utc(time_of_day, day):
        return at.moment(time_of_day, day).strftime("%Y-%m-%d %H:%M")

    for covers, gap_start in (([], utc("17:00", FRIDAY)), (yuki, utc("18:00", SUNDAY))):
        refused = await enter_leave(story, "omar", covers=covers)
        assert refused.code == FAILED_PRECONDITION and gap_start in refused.message and utc("08:00", MONDAY) in refused.message, refused
    assert (await enter_leave(story, "omar", covers=yuki, acceptGaps=True, reason="Nobody else is there")).code == PERMISSION_DENIED
    assert not facts(story, "leaveEntered")
    answer = await enter_leave(story, "alex", covers=yuki, acceptGaps=True, reason="Nobody else is there on Sunday night")
    assert answer.ok, answer
    left = [{"start": at.text("18:00", SUNDAY), "end": at.text("08:00", MONDAY)}]
    entered = await shown(story, "leaveEntered", 1)
    assert entered["leaveEntered"]["gaps"] == left and entered["author"]["personId"] == "alex"
    await story.staff["grace"].until(lambda: facts(story, "coverageForecast")[-1]["coverageForecast"].get("gaps") == left)
    return left[0]


def warnings(story, gap):
    return [entry for entry in facts(story, "coverageGapNear") if entry["coverageGapNear"]["gap"] == gap]


async def warned(story, gap, hours):
    """So many hours ahead, and not sooner, Grace is told, who has to find cover."""
    count = len(warnings(story, gap))
    due = instant(gap["start"]) - datetime.timedelta(hours=hours)
    story.calendar.go_to(due)
    await story.staff["grace"].until(lambda: len(warnings(story, gap)) > count)
    (entry,) = warnings(story, gap)[count:]
    assert 0 <= (instant(entry["time"]) - due).total_seconds() < 10
    assert (entry["coverageGapNear"]["personId"], entry["coverageGapNear"]["hoursLeft"]) == ("grace", hours)


async def test_at_8_what_nobody_covers_is_told_three_times(story):
    await story.connect(["alex", "rao", "grace", "omar", "yuki"], ["rosa", "mei"])
    await the_clinic(story)
    await story.ask("rao", "rosa", "clinical", "Look over her drugs", kind="TASK_KIND_REVIEW", due=story.calendar.text("12:00", MONDAY), **ON_DUTY)
    gap = await the_leave(story)
    assert not warnings(story, gap), "more than 72 hours are left"
    await warned(story, gap, 72)  # Thursday at six.
    await warned(story, gap, 24)  # Saturday at six.
    # A restart neither tells it again nor forgets the last one.
    story.server.kill9()
    story.server.start()
    await story.connect_again()
    assert len(warnings(story, gap)) == 2
    await warned(story, gap, 2)  # Sunday at four.
    await story.each_is_owed_by_one_person()
    story.end()


async def test_at_8_cover_while_he_is_away_and_the_fallback_where_there_is_none(story):
    at = story.calendar
    await story.connect(["alex", "rao", "grace", "omar", "yuki"], ["rosa", "mei"])
    await the_clinic(story)
    await the_leave(story)

    # Friday, five o'clock: four tasks, two messages and a timer answer to Yuki at one index, and the timer keeps its time.
    at.set("16:00", FRIDAY)
    tasks = [await story.ask("rao", patient, "clinical", title, priority="PRIORITY_URGENT", due=at.text("12:00", MONDAY), **ON_DUTY)
             for patient, title in (("rosa", "Interactions of the new drug"), ("rosa", "Refill before Tuesday"), ("mei", "Dose for her kidneys"))]
    tasks.append(await story.ask("rao", "mei", "clinical", "Call the pharmacy back", kind="TASK_KIND_CALL", priority="PRIORITY_ASAP",
                                 due=at.text("18:30", FRIDAY), **ON_DUTY))
    for task in tasks:
        await story.tell("omar", task, "claimTask", "acceptTask", "startTask")
    await story.tell("omar", tasks[-1], "pauseTask", reason=story.hidden("They close at half past"), resumeAt=at.text("17:40", FRIDAY))
    at.set("16:50", FRIDAY)
    messages = [await story.say("rao", patient, "clinical", text, priority="PRIORITY_ASAP", mentions=[{"dutyId": "onc-pharm"}])
                for patient, text in (("rosa", "Is the dose right now"), ("mei", "Does she have enough tablets"))]
    everything = {*tasks, *messages}
    await story.owed_is(dict.fromkeys(everything, "omar"))
    deadlines = {place: item.get("breach") for place, item in story.owed["omar"].answers().items()}
    at.set("17:00", FRIDAY)
    covered = await shown(story, "dutyHolderChanged", 2)
    assert covered["dutyHolderChanged"] == {"personId": "yuki", "previousPersonId": "omar", "reason": "HOLDER_REASON_LEAVE"}
    await story.owed_is(dict.fromkeys(everything, "yuki"))
    assert {place: item.get("breach") for place, item in story.owed["yuki"].answers().items()} == deadlines
    for place in everything:
        assert story.accountable(place, a_moment_before(covered["time"])) == "omar" and story.accountable(place, covered["time"]) == "yuki"
    await story.staff["yuki"].until(lambda: reads(story, "yuki") == PATIENTS)
    assert reads(story, "omar") == PATIENTS, "he reads on until he is back, and does nothing (B6)"
    refused = await story.staff["omar"].command("mei", {"completeTask": {"task": {"stream": "STREAM_CLINICAL", "seq": str(tasks[2][2])}}})
    assert refused.code == PERMISSION_DENIED, refused
    for message in messages:
        await story.acknowledge("yuki", message)
    at.set("17:40", FRIDAY)
    await story.owed["yuki"].shows(tasks[-1], taskStatus="TASK_STATUS_IN_PROGRESS")
    for task in tasks[2:]:
        await story.tell("yuki", task, "completeTask")

    # Saturday: whoever writes to Omar is told who covers; what cannot wait is routed.
    at.set("10:00", SATURDAY)
    to_omar = {"stream": "STREAM_CLINICAL", "content": {"text": "Please call me"}, "mentions": [{"personId": "omar"}]}
    refused = await story.staff["rao"].command("rosa", {"postMessage": to_omar})
    assert refused.code == FAILED_PRECONDITION and "yuki covers" in refused.message and "onc-pharm" in refused.message
    stat = await story.say("rao", "rosa", "clinical", "She took the dose twice", priority="PRIORITY_STAT", mentions=[{"personId": "omar"}])
    routed = story.staff["rao"].entry("rosa", "clinical", stat[2])["messagePosted"]["mentions"]
    assert routed == [{"personId": ["yuki"], "insteadOfPersonId": "omar"}]
    await story.owed_is({tasks[0]: "yuki", tasks[1]: "yuki", stat: "yuki"})
    await story.acknowledge("yuki", stat)

    # Sunday, six o'clock: Yuki's cover and her access end, and what she had open is the fallback's.
    at.set("18:00", SUNDAY)
    ended = await shown(story, "dutyHolderChanged", 3)
    later = story.hidden("Her level is back, and it is high")
    await story.say("rao", "rosa", "clinical", {"text": later})
    assert ended["dutyHolderChanged"] == {"previousPersonId": "yuki", "reason": "HOLDER_REASON_COVER_ENDED"}
    await story.staff["yuki"].until(lambda: not reads(story, "yuki"))
    assert not any(later.encode() in message for message in story.staff["yuki"].transcript), "what was said after six is not hers"
    await story.owed_is(dict.fromkeys(tasks[:2], "grace"))

    # Monday, eight o'clock: Omar is back.
    at.set("08:00", MONDAY)
    back = await shown(story, "dutyHolderChanged", 4)
    assert back["dutyHolderChanged"] == {"personId": "omar", "reason": "HOLDER_REASON_ROSTER"}
    await story.owed_is(dict.fromkeys(tasks[:2], "omar"))
    assert not reads(story, "yuki")
    for task in tasks[:2]:
        await story.tell("omar", task, "completeTask")
    await story.each_is_owed_by_one_person()
    story.end()
