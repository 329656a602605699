"""A thousand claims of one task that wait at the server together: one wins, and everybody else is told who has it and since when."""
import asyncio
import itertools
import re

import pytest
from careteam_client import ABORTED, Client
from server import Server, prepare_tokens, room_resources

DEVICES = 8  # Of each nurse; a person may have 16 connections.
NURSES = [f"nurse{n}" for n in range(125)]  # A team has 200 members at most.
PATIENT = "pat"
TOLD_BYTES = 4096  # What one socket is told of the race: the entries of the claim and its own answer, and not the answers of others.
AT_ONCE = 50


@pytest.fixture
def ward():
    with Server(redis=False) as server:
        staff = [("rao", "medical-oncologist"), *((nurse, "oncology-nurse") for nurse in NURSES)]
        server.import_resources(room_resources(PATIENT, staff))
        prepare_tokens([person for person, _ in staff])
        yield server.start()


async def connect_all(ward, heads):
    """Every device of every nurse, half of them by JSON, with nothing to catch up: what each holds stays small."""
    places = list(itertools.product(NURSES, range(DEVICES)))
    clients = []
    for first in range(0, len(places), AT_ONCE):
        clients += await asyncio.gather(*(Client.connect(ward, nurse, "json" if n % 2 else "proto", device=f"{nurse}-{n}", resume=heads.positions(),
                                                         epoch=heads.welcome["epoch"]) for nurse, n in places[first:first + AT_ONCE]))
    return clients


async def race(ward, clients, action_of):
    """Everybody's command is with the server's kernel before the server reads the first of them; returns the answers in the clients' order."""
    frames = [client.command_frame(PATIENT, action_of(n)) for n, client in enumerate(clients)]
    waiting = [client.expect(command_id) for client, (_, command_id) in zip(clients, frames)]
    ward.pause()
    try:
        for client, (frame, _) in zip(clients, frames):
            await client.send(frame)
    finally:
        ward.cont()
    return await asyncio.gather(*(client.answer(one, timeout=30) for client, one in zip(clients, waiting)))


@pytest.mark.parametrize("others", ["claim", "accept"])
async def test_of_1000_sockets_one_wins_and_999_are_told_who_and_when(ward, others):
    """others: what every second nurse asks for; an accept without a claim takes the task as well."""
    rao, heads = await Client.connect(ward, "rao"), await Client.connect(ward, NURSES[0])
    clients = await connect_all(ward, heads)
    assert len(clients) == 1000
    wanted = {"kind": "TASK_KIND_CARE", "title": "Call the patient back", "priority": "PRIORITY_STAT", "target": {"role": "ROLE_ONCOLOGY_NURSE"}}
    asked = await rao.command(PATIENT, {"requestTask": {"stream": "STREAM_CLINICAL", "order": wanted}})
    assert asked.ok, asked
    task = {"task": {"stream": "STREAM_CLINICAL", "seq": str(asked.seq)}}
    for client in clients:
        await client.has(PATIENT, "clinical", asked.seq)
    held = [sum(map(len, client.transcript)) for client in clients]
    actions = [{"claimTask": task}, {f"{others}Task": task}]
    answers = await race(ward, clients, lambda n: actions[n // DEVICES % 2])

    won = [(client, answer) for client, answer in zip(clients, answers) if answer.ok]
    assert len(won) == 1
    winner, seq = won[0][0].person, won[0][1].seq
    taken = await rao.has(PATIENT, "clinical", seq)
    assert taken["author"]["personId"] == winner and {"taskClaimed", "taskAccepted"} & taken.keys()
    lost = [answer for answer in answers if not answer.ok]
    assert len(lost) == 999
    assert {one.code for one in lost} == {ABORTED}
    assert {one.field for one in lost} == {"claimTask.task.seq", f"{others}Task.task.seq"}
    messages = {one.message for one in lost}
    assert len(messages) == 1, messages
    told = re.fullmatch(r"is taken by (\S+) since (\S+) (\S+) UTC", message := messages.pop())
    assert told, message
    assert told[1] == winner and taken["time"].startswith(f"{told[2]}T{told[3]}"), (message, taken["time"])

    await rao.fence()
    changes = [one for one in rao.entries(PATIENT, "clinical") if int(one["seq"]) > asked.seq]
    assert [int(one["seq"]) for one in changes] == [seq], "999 lost claims leave nothing in the record"
    for client, before in zip(clients, held):
        await client.has(PATIENT, "clinical", seq)
        assert sum(map(len, client.transcript)) - before <= TOLD_BYTES
    for one in (rao, heads, *clients):
        one.cut()
