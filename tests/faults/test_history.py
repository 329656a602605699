"""Concurrent clients while everything breaks: whatever they saw must be explained by one history in which nothing was lost, repeated, reordered
or shown to the wrong people.

The long run: CARETEAM_HISTORIES=100 python3 -m pytest tests/faults/test_history.py
"""
import collections
import json
import os
import random
import time

import pytest

import crowd
from contract import AUDIT, CLINICAL, SHARED, SUPPORT, Entry
from crowd import Crowd, members_of, rooms_of
from disturbance import carry_out, make_plan
from flaky_device import Member
from history_check import check
from witness import Witness, digest

HISTORIES = int(os.environ.get("CARETEAM_HISTORIES", 5))
ROOMS = 2
FAULTS = 6
GUESTS = ("guest-0", "guest-1", "guest-2")  # Join a room and leave it again.
GUESTS_HOME = "room-guests"


class HistoryWitness(Witness):
    changes_roster = GUESTS


def people():
    """The rooms of the crowd with a second doctor, and a room that only the guests are in for good."""
    rooms = rooms_of(ROOMS)
    for number in range(ROOMS):
        rooms[f"room-{number}"][f"doctor-b-{number}"] = "medical-oncologist"
    guests = {guest: "oncology-nurse" for guest in GUESTS}
    rooms[GUESTS_HOME] = {"doctor-guests": "medical-oncologist", "privacy-guests": "privacy-officer", **guests}
    members = members_of(ROOMS)
    everything = (SHARED, CLINICAL, SUPPORT)
    for number in range(ROOMS):
        home = f"room-{number}"
        members += [Member(f"doctor-b-{number}", "phone", home, everything), Member(f"doctor-{number}", "desk", home, everything, "json"),
                    Member(home, "tablet", home, (SHARED,), "json", is_patient=True)]
    members += [Member(guest, "phone", f"room-{number % ROOMS}", everything, "json" if number == 1 else "proto") for number, guest in enumerate(GUESTS)]
    return rooms, members


def read_at_the_end(house, rooms, seed):
    """Every entry of every stream, as history_check wants it."""
    logs, faults = crowd.read_everything(house, rooms, seed)
    assert not faults, faults
    return [final_entry(Entry.FromString(raw), raw) for log in logs.values() for raw in log.entries]


def seconds_of(timestamp):
    return timestamp.seconds + timestamp.nanos / 1e9


def final_entry(entry, raw):
    fact = entry.WhichOneof("fact")
    what = getattr(entry, fact)
    command_id = ""
    if fact in ("message_posted", "message_edited"):
        command_id = what.content.text.split(" ")[0]
    elif fact == "membership_detailed" and what.reason.count("-") == 4:
        command_id = what.reason  # The guests' roster changes are known by their reason.
    period = what.period if fact == "member_added" else None
    return {
        "patient": entry.patient_id, "stream": entry.stream, "seq": entry.seq, "digest": digest(raw), "time": seconds_of(entry.time),
        "author": entry.author.person_id, "fact": fact, "id": command_id, "version": getattr(what, "roster_version", 0) if entry.stream == SHARED else 0,
        "target": what.seq if fact == "message_acknowledged" else 0, "revision": what.revision_seq if fact == "message_acknowledged" else 0,
        "person": getattr(what, "person_id", ""), "role": getattr(what, "role", 0), "start": seconds_of(period.start) if period else 0,
        "end": seconds_of(period.end) if period and period.HasField("end") else seconds_of(what.end) if fact == "member_ended" else 0}


def one_history(houses, seed):
    """Runs a crowd through a plan of faults. (What was recorded, the plan, totals.)"""
    rng = random.Random(seed)
    rooms, members = people()
    house = houses(rooms)
    house.start()
    wall = time.time() - time.monotonic()
    plan = make_plan(rng, FAULTS)
    one = Crowd(house, members, seed, longest_life=1.0, pace=0.6, kind=HistoryWitness)
    try:
        carry_out(house, plan)
        results = one.settle()
    finally:
        one.end()
    house.kill9()  # What is read at the end comes from the disk.
    house.start()
    final = read_at_the_end(house, rooms, seed)
    house.stop()
    house.check_store()
    house.close()
    devices = [{"person": one["member"].person, "device": one["member"].device, "is_patient": one["member"].is_patient, "events": one["events"]}
               for one in results]
    totals = sum((one["counts"] for one in results), collections.Counter())
    faults = [fault for one in results for fault in one["faults"]]
    return {"seed": seed, "wall": wall, "plan": plan, "devices": devices, "final": final}, faults, totals


@pytest.mark.parametrize("number", range(HISTORIES))
def test_what_concurrent_clients_see_is_one_history(houses, seed, number, tmp_path):
    seed = (seed + number) % 2**32
    again = f"CARETEAM_SEED={seed} CARETEAM_HISTORIES=1 /usr/bin/python3 -m pytest tests/faults/test_history.py"
    print(again)
    history, faults, totals = one_history(houses, seed)
    kinds = collections.Counter(event["e"] for device in history["devices"] for event in device["events"])
    print([(kind, round(seconds, 2)) for _, kind, seconds, _ in history["plan"]], dict(kinds), dict(totals))
    found = check(history)
    if found or faults:
        kept = tmp_path / "history.json"
        kept.write_text(json.dumps(history))
        lines = [f"{rule}: {finding}" for rule, finding in found[:20]]
        raise AssertionError("\n".join([f"{len(found)} findings; the history is in {kept}; again: {again}", *lines, *faults[:20]]))
    # A history is worth its name only if there was something to see.
    for kind in ("entry", "committed", "cursor", "fetched", "roster", "welcome"):
        assert kinds[kind] > 0, f"no {kind} in the history: {dict(kinds)}"
    authors = {entry["author"] for entry in history["final"] if entry["id"]}
    assert len(authors) > len(GUESTS) and any(entry["stream"] == AUDIT and entry["id"] for entry in history["final"])
