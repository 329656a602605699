"""Many flaky devices in several processes, and the account of what happened to their commands."""
import asyncio
import collections
import multiprocessing
import os
import random
import time
import traceback

from google.protobuf import json_format

from contract import AUDIT, CLINICAL, SHARED, SUPPORT, Entry
from flaky_device import NO_CHAIN, Device, Member, json_link

SETTLE_SECONDS = 120
_fork = multiprocessing.get_context("fork")

# Role code, streams that it posts to.
TEAM = {
    "doctor": ("medical-oncologist", (SHARED, CLINICAL, SUPPORT)),
    "nurse": ("oncology-nurse", (SHARED, CLINICAL, SUPPORT)),
    "social": ("social-worker", (SHARED, SUPPORT)),
    "privacy": ("privacy-officer", ()),
}


def rooms_of(count):
    """Rooms with four members of staff each; a room's nurse also reads the next room."""
    rooms = {}
    for number in range(count):
        rooms[f"room-{number}"] = {f"{name}-{number}": role for name, (role, _) in TEAM.items()}
        if count > 1:
            rooms[f"room-{number}"][f"nurse-{(number - 1) % count}"] = TEAM["nurse"][0]
    return rooms


def members_of(count):
    """Six devices for each room: everybody's, and a second one of the nurse. The doctors use JSON in every other room, so do some patients."""
    members = []
    for number in range(count):
        room = f"room-{number}"
        for name, (_, streams) in TEAM.items():
            members.append(Member(f"{name}-{number}", "phone", room, streams, "json" if name == "doctor" and number % 2 else "proto"))
        members.append(Member(f"nurse-{number}", "tablet", room, TEAM["nurse"][1]))
        members.append(Member(room, "phone", room, (SHARED,), "json" if number % 4 == 2 else "proto", is_patient=True))
    return members


def reader_of(house, person, seed):
    """A device that holds nothing yet and keeps everything."""
    return Device(Member(person, f"reader-{random.Random().getrandbits(32):08x}", "", ()), house.client_port, house.tokens[person], seed, keep=True)


class Crowd:
    """Runs in processes of its own, so that a test can disturb the server meanwhile. `cuts`: in all; None: until settle() is called.
    `kind`: the class of its devices."""

    def __init__(self, house, members, seed, cuts=None, processes=2, longest_life=0.25, pace=0.3, kind=Device):
        self._house, self._seed = house, seed
        self._stop = _fork.Event()
        self._workers = []
        each = None if cuts is None else -(-cuts // len(members))
        for number in range(processes):
            ours, theirs = _fork.Pipe()
            part = members[number::processes]
            devices = [kind(member, house.client_port, house.tokens[member.person], seed) for member in part]
            worker = _fork.Process(target=_work, args=(theirs, devices, each, self._stop, longest_life, pace))
            worker.start()
            theirs.close()
            self._workers.append((worker, ours))

    def settle(self, seconds=SETTLE_SECONDS):
        """Ends the disturbances, waits until every command is answered and every device holds everything. The results of the devices."""
        self._stop.set()
        return self.wait(seconds)

    def wait(self, seconds):
        """Waits until all cuts are made, then as settle()."""
        deadline = time.monotonic() + seconds
        try:
            self._expect("settled", deadline)
            for _, pipe in self._workers:
                pipe.send("finish")
            parts = self._expect("result", deadline)
            return [one for part in parts for one in part]
        finally:
            self.end()

    def _expect(self, what, deadline):
        answers = []
        for worker, pipe in self._workers:
            if not pipe.poll(max(0, deadline - time.monotonic())):
                raise AssertionError(f"the crowd did not come to '{what}' in time")
            kind, content = pipe.recv()
            assert kind == what, content
            answers.append(content)
        return answers

    def end(self):
        for worker, pipe in self._workers:
            pipe.close()
            worker.join(5)
            if worker.is_alive():
                worker.kill()
                worker.join()


def _work(pipe, devices, cuts, stop, longest_life, pace):
    try:
        asyncio.run(_disturb(devices, cuts, stop, longest_life, pace))
        pipe.send(("settled", None))
        pipe.recv()
        asyncio.run(_catch_up(devices))
        pipe.send(("result", [one.result() for one in devices]))
    except (EOFError, BrokenPipeError):
        pass  # The test has ended.
    except BaseException:  # noqa: B902 - whatever it is, the test must hear of it
        pipe.send(("error", traceback.format_exc()))
    os._exit(0)


async def _disturb(devices, cuts, stop, longest_life, pace):
    async def one(device):
        made = 0
        while not stop.is_set() and (cuts is None or made < cuts):
            await device.live(device.choose_cut(longest_life), pace)
            made += 1
        await device.reach(device.all_answered, SETTLE_SECONDS, "an answer to every command")

    await asyncio.gather(*(one(device) for device in devices))


async def _catch_up(devices):
    await asyncio.gather(*(device.reach(device.caught_up, SETTLE_SECONDS, "the head of every stream") for device in devices))


def read_everything(house, rooms, seed):
    """All entries of all rooms, read by new devices from the start: ({(patient, stream): Log}, faults)."""
    readers = [reader_of(house, f"{name}-{patient.split('-')[1]}", seed) for patient in rooms for name in ("doctor", "privacy")]
    asyncio.run(_catch_up(readers))
    logs = {}
    for reader in readers:
        for key, log in reader.logs.items():
            logs[key] = log
    return logs, [fault for reader in readers for fault in reader.faults]


def account(house, rooms, results, seed):
    """Holds what every device saw and was told against the server's logs. Returns totals; raises with everything that is wrong."""
    logs, wrong = read_everything(house, rooms, seed)
    wrong += [fault for one in results for fault in one["faults"]]
    seen = _effects(logs, wrong)
    json_chains = {}
    for one in results:
        who = f"{one['member'].person}/{one['member'].device}"
        if one["pending"]:
            wrong.append(f"{who}: never answered: {one['pending'][:3]}")
        _check_logs(who, one, logs, json_chains, wrong)
        _check_commands(who, one, logs, seen, wrong)
    committed = {command[0] for one in results for command in one["committed"]}
    wrong += [f"an effect of {command_id}, which was never committed: {place}" for command_id, place in seen.items() if command_id not in committed]
    totals = sum((one["counts"] for one in results), collections.Counter())
    totals["committed"] = len(committed)
    totals["log_entries"] = sum(log.head for log in logs.values())
    assert not wrong, f"{len(wrong)} faults; {dict(totals)}:\n" + "\n".join(wrong[:40])
    return totals


def _effects(logs, wrong):
    """Where each command shows in the logs: {command_id: (patient, stream, seq, author, kind)}; messages and edits carry their command's id."""
    seen = {}
    acknowledged = set()
    for (patient, stream), log in logs.items():
        for raw in log.entries:
            entry = Entry.FromString(raw)
            fact = entry.WhichOneof("fact")
            if fact == "message_posted":
                text, kind = entry.message_posted.content.text, "posted"
            elif fact == "message_edited":
                text, kind = entry.message_edited.content.text, "edited"
            else:
                if fact == "message_acknowledged":
                    what = (patient, stream, entry.message_acknowledged.seq, entry.message_acknowledged.revision_seq, entry.author.person_id)
                    if what in acknowledged:
                        wrong.append(f"acknowledged twice: {what}")
                    acknowledged.add(what)
                continue
            command_id = text.split(" ")[0]
            place = (patient, stream, entry.seq, entry.author.person_id, kind)
            if command_id in seen:
                wrong.append(f"command {command_id} has two effects: {seen[command_id]} and {place}")
            seen[command_id] = place
    return seen


def _check_logs(who, one, logs, json_chains, wrong):
    for key, (head, chain) in one["logs"].items():
        log = logs.get(key)
        if log is None:
            wrong.append(f"{who}: holds {key}, which no reader saw")
            continue
        # The audit goes on with every connection, also with those that check it.
        if head > log.head or (key[1] != AUDIT and head != log.head):
            wrong.append(f"{who}: holds {head} entries of {key}, the server {log.head}")
            continue
        if one["member"].form == "json":
            if key not in json_chains:
                chains = [NO_CHAIN]
                for raw in log.entries:
                    chains.append(json_link(chains[-1], json_format.MessageToDict(Entry.FromString(raw))))
                json_chains[key] = chains
            expected = json_chains[key][head]
        else:
            expected = log.chains[head - 1] if head else NO_CHAIN
        if chain != expected:
            wrong.append(f"{who}: its entries of {key} are not those of the server")


def _check_commands(who, one, logs, seen, wrong):
    for command_id, kind, patient, stream, seq, target in one["committed"]:
        if kind == "acknowledged":
            if seq == 0:
                continue  # It had been acknowledged before.
            if (patient, stream) not in logs or seq > logs[patient, stream].head:
                wrong.append(f"{who}: the acknowledgement {command_id} at {patient} {stream} {seq} is lost")
                continue
            entry = Entry.FromString(logs[patient, stream].entries[seq - 1])
            if entry.author.person_id != one["member"].person or entry.message_acknowledged.seq != target:
                wrong.append(f"{who}: the acknowledgement {command_id} is not at {patient} {stream} {seq}")
        elif kind == "edited" and seq == 0:
            continue
        elif seen.get(command_id) != (patient, stream, seq, one["member"].person, kind):
            wrong.append(f"{who}: {kind} {command_id} should be at {patient} {stream} {seq}, it is at {seen.get(command_id)}")
    for command_id, code in one["refused"]:
        if command_id in seen:
            wrong.append(f"{who}: {command_id} was refused with {code} and is at {seen[command_id]}")
