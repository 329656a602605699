"""history_check is worth what it notices: one good history, and each way in which it can be broken, played to it once."""
import copy

import pytest

from history_check import ABORTED, AUDIT, CLINICAL, MEDICAL_ONCOLOGIST, ONCOLOGY_NURSE, SHARED, check

ROSA, DOC, DOC2, NINA = "rosa", "doc", "doc-2", "nina"
FAILED_PRECONDITION, UNAVAILABLE = 9, 14


def entry(stream, seq, time, author, fact, **more):
    usual = {"id": "", "version": 0, "target": 0, "revision": 0, "person": "", "role": 0, "start": 0, "end": 0}
    return {"patient": ROSA, "stream": stream, "seq": seq, "digest": f"d{stream}-{seq}", "time": time, "author": author, "fact": fact} | usual | more


def good():
    """Rosa's record: two doctors from the start; Nina joins at 20 and leaves at 40. Times are the same on both clocks."""
    final = [
        entry(SHARED, 1, 1, "", "record_opened"),
        entry(SHARED, 2, 1, "", "member_added", person=DOC, role=MEDICAL_ONCOLOGIST, start=1, version=1),
        entry(SHARED, 3, 1, "", "member_added", person=DOC2, role=MEDICAL_ONCOLOGIST, start=1, version=2),
        entry(SHARED, 4, 11, DOC, "message_posted", id="post-1"),
        entry(SHARED, 5, 14, ROSA, "message_acknowledged", target=4),
        entry(SHARED, 6, 20, DOC, "member_added", person=NINA, role=ONCOLOGY_NURSE, start=20, version=3),
        entry(SHARED, 7, 40, DOC2, "member_ended", person=NINA, role=ONCOLOGY_NURSE, end=40, version=4),
        entry(SHARED, 8, 50, DOC, "message_posted", id="post-2"),
        entry(CLINICAL, 1, 30, NINA, "message_posted", id="post-3"),
        entry(AUDIT, 1, 20, DOC, "membership_detailed", id="add-1"),
        entry(AUDIT, 2, 40, DOC2, "membership_detailed", id="end-1"),
    ]
    devices = {name: {"person": name.split("/")[0], "device": name.split("/")[1], "is_patient": name.startswith(ROSA), "events": []}
               for name in ("doc/a", "doc/b", "doc-2/a", "nina/a", "rosa/a")}

    def saw(name, at, event, conn=1, **more):
        devices[name]["events"].append({"e": event, "at": at, "conn": conn, "frame": int(at * 100), **more})

    def welcome(name, at, streams, conn=1, resume=()):
        saw(name, at, "hello", conn, resume=[list(one) for one in resume])
        saw(name, at + 0.5, "welcome", conn, streams=[[ROSA, *one] for one in streams])

    def shown(name, at, stream, *seqs, conn=1, kind="entry", **more):
        for seq in seqs:
            saw(name, at, kind, conn, patient=ROSA, stream=stream, seq=seq, digest=f"d{stream}-{seq}", **more)

    def command(name, at, kind, command_id, answered, stream, seq, expected=0, person="", target=0):
        saw(name, at, "ask", id=command_id, kind=kind, patient=ROSA, stream=stream, target=target, expected=expected, person=person)
        saw(name, at, "sent", id=command_id)
        saw(name, answered, "committed", id=command_id, patient=ROSA, stream=stream, seq=seq)

    # [stream, head, after, read, displayed, unread]
    welcome("doc/a", 10, [[SHARED, 3, 0, 0, 0, 3], [CLINICAL, 0, 0, 0, 0, 0]])
    shown("doc/a", 10.6, SHARED, 1, 2, 3)
    command("doc/a", 10.9, "posted", "post-1", 12, SHARED, 4)
    shown("doc/a", 12, SHARED, 4)
    welcome("rosa/a", 12.2, [[SHARED, 4, 0, 0, 0, 4]])
    shown("rosa/a", 12.8, SHARED, 1, 2, 3, 4)
    command("rosa/a", 13, "acknowledged", "ack-1", 15, SHARED, 5, target=4)
    shown("rosa/a", 15, SHARED, 5)
    shown("doc/a", 15, SHARED, 5)
    saw("doc/a", 16, "moved", patient=ROSA, stream=SHARED, read=5)
    saw("doc/a", 17, "cursor", patient=ROSA, stream=SHARED, read=5, displayed=5, unread=0)
    saw("doc/a", 18, "presence", person=DOC2, state=3)
    saw("doc/a", 18, "receipt", patient=ROSA, stream=SHARED, person=ROSA, received=5, displayed=4)
    command("doc/a", 19, "added", "add-1", 21, SHARED, 6, expected=2, person=NINA)
    shown("doc/a", 21, SHARED, 6)
    welcome("doc-2/a", 19, [[SHARED, 5, 0, 0, 0, 5], [CLINICAL, 0, 0, 0, 0, 0]])
    shown("doc-2/a", 19.8, SHARED, 1, 2, 3, 4, 5, 6)
    saw("doc-2/a", 19.9, "ask", id="late-1", kind="added", patient=ROSA, stream=0, target=0, expected=2, person=NINA)
    saw("doc-2/a", 19.9, "sent", id="late-1")
    saw("doc-2/a", 21, "refused", id="late-1", code=ABORTED, field="addMember.expectedRosterVersion")
    welcome("nina/a", 22, [[SHARED, 6, 0, 0, 0, 6], [CLINICAL, 0, 0, 0, 0, 0]])
    shown("nina/a", 23, SHARED, 1, 2, 3, 4, 5, 6)
    command("nina/a", 29, "posted", "post-3", 31, CLINICAL, 1)
    shown("nina/a", 31, CLINICAL, 1)
    shown("doc/a", 31, CLINICAL, 1)
    shown("doc-2/a", 31, CLINICAL, 1)
    saw("doc-2/a", 33, "ask", id="view-1", kind="viewed", patient=ROSA, stream=0, target=0, expected=0, person="")
    saw("doc-2/a", 33, "sent", id="view-1")
    saw("doc-2/a", 34, "committed", id="view-1", patient=ROSA, stream=0, seq=0)
    saw("doc-2/a", 34, "roster", id="view-1", patient=ROSA, version=3)
    command("doc-2/a", 39, "ended", "end-1", 41, SHARED, 7, expected=3, person=NINA)
    shown("doc-2/a", 41, SHARED, 7)
    saw("nina/a", 41, "revoked", patient=ROSA, stream=SHARED)
    saw("nina/a", 41, "revoked", patient=ROSA, stream=CLINICAL)
    command("nina/a", 44, "posted", "refused-1", 45, CLINICAL, 1)
    devices["nina/a"]["events"][-1].update(e="refused", code=5, field="")
    # A second device of the first doctor, which reads on after a crash; and the first one, which sends a command twice.
    shown("doc/a", 41, SHARED, 7)
    saw("doc/a", 42, "end")
    welcome("doc/a", 43, [[SHARED, 7, 7, 5, 5, 1], [CLINICAL, 1, 1, 0, 0, 1]], conn=2, resume=[(ROSA, SHARED, 7), (ROSA, CLINICAL, 1)])
    saw("doc/a", 49, "ask", 2, id="post-2", kind="posted", patient=ROSA, stream=SHARED, target=0, expected=0, person="")
    saw("doc/a", 49, "sent", 2, id="post-2")
    saw("doc/a", 49.5, "refused", 2, id="post-2", code=UNAVAILABLE, field="")
    saw("doc/a", 49.6, "sent", 2, id="post-2")
    saw("doc/a", 51, "committed", 2, id="post-2", patient=ROSA, stream=SHARED, seq=8)
    shown("doc/a", 51, SHARED, 8, conn=2)
    welcome("doc/b", 52, [[SHARED, 8, 0, 5, 5, 1], [CLINICAL, 1, 0, 0, 0, 1]])
    shown("doc/b", 53, SHARED, *range(1, 9))
    shown("doc/b", 53, CLINICAL, 1)
    shown("doc/b", 54, SHARED, 4, 5, kind="fetched", request="fetch-1")
    return {"seed": 0, "wall": 0.0, "devices": list(devices.values()), "final": final}


class Broken:
    """A good history, to be broken."""

    def __init__(self):
        self.raw = copy.deepcopy(good())
        self.final = self.raw["final"]

    def events(self, name, kind=None):
        events = next(one for one in self.raw["devices"] if f"{one['person']}/{one['device']}" == name)["events"]
        return events if kind is None else [event for event in events if event["e"] == kind]

    def drop_final(self, stream, seq):
        self.final[:] = [one for one in self.final if (one["stream"], one["seq"]) != (stream, seq)]

    def add(self, name, at, event, conn=1, **more):
        events = self.events(name)
        events.append({"e": event, "at": at, "conn": conn, "frame": int(at * 100), **more})
        events.sort(key=lambda one: one["at"])

    def shown(self, name, stream, seq):
        return next(event for event in self.events(name, "entry") if (event["stream"], event["seq"]) == (stream, seq))


def lost_at_the_end(h):
    h.drop_final(SHARED, 8)


def lost_in_the_middle(h):
    h.drop_final(SHARED, 5)


def twice_in_the_log(h):
    h.final.append(dict(h.final[3]))


def an_entry_is_skipped(h):
    h.events("rosa/a").remove(h.shown("rosa/a", SHARED, 3))


def an_entry_comes_twice(h):
    h.events("doc/b").insert(12, dict(h.shown("doc/b", SHARED, 8)))


def entries_change_places(h):
    one, other = h.shown("doc/b", SHARED, 4), h.shown("doc/b", SHARED, 5)
    one["seq"], other["seq"], one["digest"], other["digest"] = 5, 4, other["digest"], one["digest"]


def somebody_is_shown_other_bytes(h):
    h.shown("rosa/a", SHARED, 4)["digest"] = "another"


def it_does_not_go_on_where_it_was(h):
    h.events("doc/a", "welcome")[1]["streams"][0][3] = 8


def an_entry_before_welcome(h):
    h.events("doc/b").insert(1, {**h.shown("doc/b", SHARED, 1), "at": 52.1})


def a_reset_that_nobody_asked_for(h):
    h.add("doc/b", 53.5, "reset", patient=ROSA, stream=SHARED)


def clinical_reaches_the_patient(h):
    h.add("rosa/a", 32, "entry", patient=ROSA, stream=CLINICAL, seq=1, digest="d2-1")


def clinical_is_named_to_the_patient(h):
    h.events("rosa/a", "welcome")[0]["streams"].append([ROSA, CLINICAL, 0, 0, 0, 0, 0])


def clinical_is_read_back_by_the_patient(h):
    h.add("rosa/a", 32, "fetched", patient=ROSA, stream=CLINICAL, seq=1, digest="d2-1", request="fetch-9")


def shown_after_she_left(h):
    h.add("nina/a", 50, "entry", patient=ROSA, stream=SHARED, seq=8, digest="d1-8")


def shown_what_was_decided_with_her_leaving(h):
    h.final[7]["time"] = 40
    h.add("nina/a", 40.9, "entry", patient=ROSA, stream=SHARED, seq=8, digest="d1-8")


def shown_before_she_came(h):
    h.shown("nina/a", SHARED, 4)["at"] = 15


def presence_reaches_the_patient(h):
    h.add("rosa/a", 32, "presence", person=DOC, state=3)


def receipts_reach_the_patient(h):
    h.add("rosa/a", 32, "receipt", patient=ROSA, stream=SHARED, person=DOC, received=5, displayed=5)


def an_older_head_after_a_crash(h):
    h.events("doc/b", "welcome")[0]["streams"][0][2] = 7


def acknowledged_and_never_durable(h):
    h.add("doc/b", 55, "ask", id="post-9", kind="posted", patient=ROSA, stream=SHARED, target=0, expected=0, person="")
    h.add("doc/b", 55, "sent", id="post-9")
    h.add("doc/b", 56, "committed", id="post-9", patient=ROSA, stream=SHARED, seq=9)


def acknowledged_at_another_place(h):
    h.events("doc/a", "committed")[0]["seq"] = 5


def the_audit_of_a_change_is_lost(h):
    h.final[9]["id"] = ""


def two_effects(h):
    h.final.append(entry(SHARED, 9, 60, DOC, "message_posted", id="post-2"))


def two_acknowledgements(h):
    h.final.append(entry(SHARED, 9, 60, ROSA, "message_acknowledged", target=4))


def an_effect_of_nothing(h):
    h.final.append(entry(SHARED, 9, 60, DOC, "message_posted", id="nobody-sent-this"))


def in_another_name(h):
    h.final[8]["author"] = DOC


def two_answers(h):
    h.add("doc/a", 52, "sent", 2, id="post-2")
    h.add("doc/a", 53, "committed", 2, id="post-2", patient=ROSA, stream=SHARED, seq=7)


def refused_after_it_was_committed(h):
    h.add("doc/a", 52, "sent", 3, id="post-2")
    h.events("doc/a")[:] = [one for one in h.events("doc/a") if not (one["e"] in ("sent", "refused") and one["at"] < 49.6 and one["id"] == "post-2")]
    h.events("doc/a", "sent")[-2]["at"] = 51.5  # All questions came behind the answer.
    h.add("doc/a", 53, "refused", 3, id="post-2", code=FAILED_PRECONDITION, field="")


def more_answers_than_questions(h):
    h.add("doc/a", 52, "committed", 2, id="post-2", patient=ROSA, stream=SHARED, seq=8)


def a_refusal_with_an_effect(h):
    h.final.append(entry(CLINICAL, 2, 39, NINA, "message_posted", id="refused-1"))


def half_a_command_has_an_effect(h):
    h.events("nina/a")[:] = [one for one in h.events("nina/a") if one["e"] != "sent" or one["id"] != "post-3"]
    h.events("nina/a")[:] = [one for one in h.events("nina/a") if one["e"] != "committed" or one["id"] != "post-3"]


def never_answered(h):
    h.events("doc-2/a")[:] = [one for one in h.events("doc-2/a") if one["e"] != "refused"]


def written_by_somebody_outside(h):
    h.final[8]["time"] = 45


def a_later_command_stands_before(h):
    h.final[3]["id"], h.final[7]["id"] = "post-2", "post-1"
    h.events("doc/a", "committed")[0]["seq"] = 8
    h.events("doc/a", "committed")[-1]["seq"] = 4


def two_winners_of_one_version(h):
    for one in h.events("doc-2/a"):
        if one["e"] == "refused":
            one.update(e="committed", patient=ROSA, stream=SHARED, seq=6)


def refused_for_the_right_version(h):
    h.add("doc-2/a", 47, "ask", id="late-2", kind="added", patient=ROSA, stream=0, target=0, expected=4, person=NINA)
    h.add("doc-2/a", 47, "sent", id="late-2")
    h.add("doc-2/a", 48, "refused", id="late-2", code=ABORTED, field="addMember.expectedRosterVersion")


def a_roster_version_is_skipped(h):
    h.final[6]["version"] = 5


def an_old_roster(h):
    h.events("doc-2/a", "roster")[0]["version"] = 2


def read_goes_back(h):
    h.events("doc/b", "welcome")[0]["streams"][0][4:] = [0, 0, 6]


def read_goes_back_on_one_device(h):
    h.add("doc/a", 17.5, "cursor", patient=ROSA, stream=SHARED, read=0, displayed=0, unread=4)


def read_is_nobodys(h):
    h.events("doc/a", "cursor")[0]["read"] = 4


def unread_is_wrong_in_welcome(h):
    h.events("doc/b", "welcome")[0]["streams"][0][6] = 2


def unread_is_wrong_in_a_position(h):
    h.events("doc/a", "cursor")[0]["unread"] = 7


def a_receipt_goes_back(h):
    h.add("doc/a", 18.5, "receipt", patient=ROSA, stream=SHARED, person=ROSA, received=4, displayed=4)


BROKEN = [
    ("what_was_seen_is_there", lost_at_the_end), ("committed_is_there", lost_at_the_end), ("the_log_is_whole", lost_in_the_middle),
    ("the_log_is_whole", twice_in_the_log), ("entries_come_in_order", an_entry_is_skipped), ("entries_come_in_order", an_entry_comes_twice),
    ("entries_come_in_order", entries_change_places), ("what_was_seen_is_there", somebody_is_shown_other_bytes),
    ("entries_come_in_order", it_does_not_go_on_where_it_was), ("entries_come_in_order", an_entry_before_welcome),
    ("entries_come_in_order", a_reset_that_nobody_asked_for), ("entries_stay_in_the_audience", clinical_reaches_the_patient),
    ("entries_stay_in_the_audience", clinical_is_named_to_the_patient), ("entries_stay_in_the_audience", clinical_is_read_back_by_the_patient),
    ("entries_stay_in_the_audience", shown_after_she_left), ("entries_stay_in_the_audience", shown_what_was_decided_with_her_leaving),
    ("entries_stay_in_the_audience", shown_before_she_came), ("entries_stay_in_the_audience", presence_reaches_the_patient),
    ("entries_stay_in_the_audience", receipts_reach_the_patient), ("heads_never_go_back", an_older_head_after_a_crash),
    ("committed_is_there", acknowledged_and_never_durable), ("committed_is_there", acknowledged_at_another_place),
    ("committed_is_there", the_audit_of_a_change_is_lost), ("one_command_has_one_effect", two_effects),
    ("one_command_has_one_effect", two_acknowledgements), ("one_command_has_one_effect", an_effect_of_nothing),
    ("one_command_has_one_effect", in_another_name), ("one_command_has_one_answer", two_answers),
    ("one_command_has_one_answer", refused_after_it_was_committed), ("one_command_has_one_answer", more_answers_than_questions),
    ("refused_has_no_effect", a_refusal_with_an_effect), ("refused_has_no_effect", half_a_command_has_an_effect),
    ("every_command_is_answered", never_answered), ("authors_are_members", written_by_somebody_outside),
    ("answered_before_asked_comes_first", a_later_command_stands_before), ("one_change_for_each_roster_version", two_winners_of_one_version),
    ("one_change_for_each_roster_version", refused_for_the_right_version), ("the_log_is_whole", a_roster_version_is_skipped),
    ("roster_views_are_fresh", an_old_roster), ("read_positions_only_move_forward", read_goes_back),
    ("read_positions_only_move_forward", read_goes_back_on_one_device), ("read_positions_only_move_forward", read_is_nobodys),
    ("unread_is_right", unread_is_wrong_in_welcome), ("unread_is_right", unread_is_wrong_in_a_position),
    ("receipts_only_move_forward", a_receipt_goes_back)]


def test_nothing_is_wrong_with_a_good_history():
    assert check(good()) == []


@pytest.mark.parametrize("rule, breaking", BROKEN, ids=[f"{rule}-{breaking.__name__}" for rule, breaking in BROKEN])
def test_a_broken_history_is_noticed(rule, breaking):
    history = Broken()
    breaking(history)
    found = check(history.raw)
    assert rule in {name for name, _ in found}, found
