#!/usr/bin/python3
"""How long after the commit of a task a worklist that is watched shows it: the time between the answer that whoever asks gets and the
change that whoever watches gets, both as their bytes arrive. Prints one JSON object. The server runs on core 0, this on core 1.

    tests/bench/worklist_live.py --careteam build/release/services/careteam/careteam [--open 5000] [--tasks 1000]
"""
import argparse
import asyncio
import json
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

STAFF = [("rao", "medical-oncologist"), ("nina", "oncology-nurse")]
PAUSE_SECONDS = 0.005  # So that each is a commit of its own.
ORDER = {"kind": "TASK_KIND_CARE", "title": "Call her back", "priority": "PRIORITY_STAT", "target": {"role": "ROLE_ONCOLOGY_NURSE"}}


class Arrivals(list):
    """The messages of a connection, each with the moment at which it came."""

    def __init__(self):
        super().__init__()
        self.times = []

    def append(self, message):
        self.times.append(time.perf_counter())
        super().append(message)


async def fill(client, patients, count):
    """Open tasks that come later than those that are measured."""
    order = {**ORDER, "priority": "PRIORITY_ROUTINE"}
    for first in range(0, count, 1000):
        asked = []
        for n in range(first, min(count, first + 1000)):
            frame, command_id = client.command_frame(patients[n % len(patients)], {"requestTask": {"stream": "STREAM_CLINICAL", "order": order}})
            asked.append(client.expect(command_id))
            await client.send(frame)
        for one in asked:
            answer = await client.answer(one, 60)
            if not answer.ok:
                sys.exit(f"worklist_live: {answer}")


def moments(client, field, key):
    """By key of what came in this field of the server's frames: when."""
    found = {}
    for frame, when in zip(client.messages, client.messages.times):
        for one in frame.get(field, []):
            found.setdefault(key(one), when)
    return found


async def measure(server, patients, asked):
    from careteam_client import Client
    rao = await Client.connect(server, "rao", form="proto")
    await fill(rao, patients, asked.open)
    nina = await Client.connect(server, "nina", form="proto")
    await nina.send({"watchWorklist": {"requestId": "mine", "what": "WHAT_OWED", "limit": 500}})
    await nina.until(lambda: any("worklists" in frame for frame in nina.messages), 60)
    rao.messages, nina.messages = Arrivals(), Arrivals()
    for n in range(asked.tasks):
        frame, command_id = rao.command_frame(patients[n % len(patients)], {"requestTask": {"stream": "STREAM_CLINICAL", "order": ORDER}})
        expected = rao.expect(command_id)
        await rao.send(frame)
        answer = await rao.answer(expected, 60)
        if not answer.ok:
            sys.exit(f"worklist_live: {answer}")
        await asyncio.sleep(PAUSE_SECONDS)
    committed = moments(rao, "committed", lambda one: (one["patientId"], one["seq"]))
    shown = moments(nina, "worklistChanges", lambda one: (one["item"]["entry"]["patientId"], one["item"]["entry"]["seq"]) if "item" in one else None)
    late = sorted(1000 * (shown[key] - when) for key, when in committed.items() if key in shown)
    if len(late) < asked.tasks / 2:
        sys.exit(f"worklist_live: only {len(late)} of {asked.tasks} tasks were shown")
    return {"shown": len(late), "median_ms": round(statistics.median(late), 2), "p99_ms": round(late[len(late) * 99 // 100], 2),
            "worst_ms": round(late[-1], 2)}


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--careteam", required=True)
    options.add_argument("--open", type=int, default=5000, help="tasks that are open before")
    options.add_argument("--tasks", type=int, default=400, help="tasks that are measured: fewer than the list's 500")
    asked = options.parse_args()
    os.environ["CARETEAM_BINARY"] = str(pathlib.Path(asked.careteam).resolve())
    from server import Server, room_resources
    patients = [f"patient-{n:02}" for n in range(50)]
    settings = {"limits.wrong_patient_window_ms": 0, "limits.commands_per_minute": 100_000, "limits.commands_at_once": 10_000}
    with Server(redis=False, settings=settings) as server:
        server.import_resources([resource for patient in patients for resource in room_resources(patient, STAFF)])
        server.start()
        os.sched_setaffinity(server.pid, {0})
        os.sched_setaffinity(0, {1})
        print(json.dumps({"open": asked.open, **asyncio.run(measure(server, patients, asked))}))


if __name__ == "__main__":
    main()
