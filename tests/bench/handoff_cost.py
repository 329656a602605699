#!/usr/bin/python3
"""How long a duty's handoff takes, from the confirmation that is sent to its answer (HO8): over 50 patients, with few and with many
obligations, forth and back between two nurses. Prints one JSON object. The server runs on core 0, this on core 1.

    tests/bench/handoff_cost.py --careteam build/release/services/careteam/careteam [--obligations 500] [--handoffs 5]
"""
import argparse
import asyncio
import datetime
import json
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

PATIENTS = 50
FEW = 50
DUTY = "duty/onc-rn"
STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse"), ("tom", "oncology-nurse")]


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def at(hours):
    return (now() + datetime.timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


async def committed(client, record, action):
    answer = await client.command(record, action)
    if not answer.ok:
        sys.exit(f"handoff_cost: {next(iter(action))}: {answer}")
    return answer.seq


async def together(client, commands):
    """Many commands at once; all must be carried out."""
    asked = []
    for record, action in commands:
        frame, command_id = client.command_frame(record, action)
        asked.append((client.expect(command_id), action))
        await client.send(frame)
    for expected, action in asked:
        answer = await client.answer(expected, 60)
        if not answer.ok:
            sys.exit(f"handoff_cost: {next(iter(action))}: {answer}")


async def hand_over(giver, taker, patients):
    """Seconds from the confirmation to its answer."""
    handoff = str(await committed(giver, DUTY, {"prepareHandoff": {"toPersonId": taker.person}}))
    ref = {"handoff": {"seq": handoff}}
    await together(giver, [(DUTY, {"describePatient": {**ref, "patient": {
        "patientId": patient, "severity": "SEVERITY_STABLE", "summary": "As yesterday", "contingencies": ["none"]}}}) for patient in patients])
    await committed(giver, DUTY, {"offerHandoff": ref})
    await committed(taker, DUTY, {"openHandoff": ref})
    await committed(taker, DUTY, {"takeHandoff": ref})
    await together(taker, [(DUTY, {"synthesizePatient": {**ref, "patientId": patient}}) for patient in patients])
    await asyncio.sleep(0.2)  # What is on its way to the clients is none of the commit's.
    began = time.perf_counter()
    await committed(giver, DUTY, {"confirmHandoff": ref})
    return time.perf_counter() - began


async def measure(server, patients, asked):
    from careteam_client import Client
    alex, rao, nina, tom = [await Client.connect(server, person, form="proto") for person in ("alex", "rao", "nina", "tom")]
    members = [{"personId": person, "role": "ROLE_ONCOLOGY_NURSE"} for person in ("nina", "tom")]
    await committed(alex, DUTY, {"defineDuty": {"duty": {"name": "Oncology nurse", "timeZone": "UTC", "leadPersonId": "tom",
                                                         "roles": ["ROLE_ONCOLOGY_NURSE"], "members": members}}})
    await committed(alex, DUTY, {"scheduleShift": {"expectedRosterVersion": "1", "shiftId": "day", "personId": "nina",
                                                   "period": {"start": at(-1), "end": at(8)}}})
    result, owed = {}, 0
    for name, wanted in (("few", FEW), ("many", asked.obligations)):
        order = {"kind": "TASK_KIND_CARE", "title": "Call her back", "target": {"dutyId": "onc-rn"}}
        await together(rao, [(patients[n % PATIENTS], {"requestTask": {"stream": "STREAM_CLINICAL", "order": order}})
                             for n in range(owed, wanted)])
        owed = wanted
        took = []
        for _ in range(asked.handoffs):
            took.append(await hand_over(nina, tom, patients))
            took.append(await hand_over(tom, nina, patients))
        result[name] = {"obligations": wanted, "commit_ms": round(1000 * statistics.median(took), 2), "worst_ms": round(1000 * max(took), 2)}
    return result


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--careteam", required=True)
    options.add_argument("--obligations", type=int, default=500)
    options.add_argument("--handoffs", type=int, default=5, help="there and back, so many times")
    asked = options.parse_args()
    os.environ["CARETEAM_BINARY"] = str(pathlib.Path(asked.careteam).resolve())
    from server import Server, room_resources
    patients = [f"patient-{n:02}" for n in range(PATIENTS)]
    settings = {"limits.wrong_patient_window_ms": 0, "limits.commands_per_minute": 100_000, "limits.commands_at_once": 10_000}
    with Server(redis=False, settings=settings) as server:
        server.import_resources([resource for patient in patients for resource in room_resources(patient, STAFF)])
        enrolled = server.tool("enroll", "--config", server.config, "--person", "alex", "--name", "Alex", "--kind", "staff", "--administrator")
        if enrolled.returncode != 0:
            sys.exit("handoff_cost: no administrator")
        server.start()
        os.sched_setaffinity(server.pid, {0})
        os.sched_setaffinity(0, {1})
        print(json.dumps({"patients": PATIENTS, "handoffs": 2 * asked.handoffs, **asyncio.run(measure(server, patients, asked))}))


if __name__ == "__main__":
    main()
