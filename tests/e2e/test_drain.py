"""SIGTERM while everybody is talking: everybody is told, nothing that was acknowledged is lost, and the process ends in time."""
import asyncio

from server import Server, room_resources
from careteam_client import Client, Closed

STAFF = [(f"nurse-{number}", "oncology-nurse") for number in range(6)]


async def talk(client, told):
    """Posts as fast as it is answered, four at a time, until the connection ends. Returns what was sent: {command id: frame}."""
    sent = {}
    waiting = []
    number = 0
    try:
        while True:
            number += 1
            frame, command_id = client.command_frame(
                "pat", {"postMessage": {"stream": "STREAM_CLINICAL", "content": {"text": f"message {number} of {client.device}"}}})
            sent[command_id] = frame
            waiting.append(client.expect(command_id))
            await client.send(frame)
            if len(waiting) >= 4:
                assert (await client.answer(waiting.pop(0))).ok
                if number == 30:
                    told.release()
    except (Closed, ConnectionError):
        return sent


async def test_a_drain_under_load(form):
    with Server(redis=False) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        clients = [await Client.connect(server, person, form if index % 2 else "json", device=f"device-{index}") for index, (person, _) in enumerate(STAFF)]
        idle = [await Client.connect(server, "pat", form, device=f"idle-{index}") for index in range(6)]
        busy = asyncio.Semaphore(0)
        talking = [asyncio.create_task(talk(client, busy)) for client in clients]
        for _ in clients:
            await busy.acquire()
        code, took = await asyncio.get_running_loop().run_in_executor(None, server.stop)
        sent = {}
        for client, task in zip(clients, talking):
            sent[client.device] = await task
        assert code == 0 and took <= 10
        for client in clients + idle:
            assert await client.closed() == 4450
            assert client.drain is not None
        waits = [int(client.drain["reconnectAfterMs"]) for client in clients + idle]
        assert len(set(waits)) == len(waits) and min(waits) >= 100 and max(waits) - min(waits) > 1000
        assert "stopped" in [line["event"] for line in server.log_lines()]
        assert server.verify().returncode == 0
        server.start()
        for client in clients:
            # What was acknowledged is there; what was not is sent again under its old id, and then everything is there once.
            async with await Client.connect(server, client.person, client.form, device=client.device, resume=client) as again:
                assert not again.resets
                seqs = {one["commandId"]: int(one["seq"]) for answers in client.committed.values() for one in answers}
                for command_id, seq in seqs.items():
                    text = sent[client.device][command_id]["command"]["postMessage"]["content"]["text"]
                    assert again.entry("pat", "clinical", seq)["messagePosted"]["content"]["text"] == text
                for command_id, frame in sent[client.device].items():
                    if command_id not in seqs:
                        assert (await again.ask(frame, command_id)).ok
        async with await Client.connect(server, STAFF[0][0], form) as reader:
            texts = reader.texts("pat", "clinical")
            expected = [frame["command"]["postMessage"]["content"]["text"] for frames in sent.values() for frame in frames.values()]
            assert len(texts) == len(set(texts)) and sorted(texts) == sorted(expected)


async def test_readiness_and_a_second_stop(form):
    with Server(redis=False, demo=True) as server:
        server.start()
        assert server.admin("/livez")[0] == 200 and server.admin("/readyz")[0] == 200
        client = await Client.connect(server, "rosa", form)
        code, took = await asyncio.get_running_loop().run_in_executor(None, server.stop)
        assert code == 0 and took <= 10
        assert await client.closed() == 4450


async def test_a_client_that_ignores_the_close_does_not_hold_the_server():
    """A peer that neither reads nor answers: the drain goes on without it."""
    with Server(redis=False, demo=True) as server:
        server.start()
        deaf = await Client.open(server, "rosa", read=False)
        await deaf.hello(server.token("rosa"))
        async with await Client.connect(server, "nina") as nina:
            assert (await nina.post("rosa", "shared", "the deaf one is connected")).ok
        code, took = await asyncio.get_running_loop().run_in_executor(None, server.stop)
        assert code == 0 and took <= 10
        deaf.cut()


async def test_kill_and_restart_keep_what_was_acknowledged(form):
    with Server(redis=False) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        nina = await Client.connect(server, "nurse-0", form, device="device-0")
        busy = asyncio.Semaphore(0)
        task = asyncio.create_task(talk(nina, busy))
        await busy.acquire()
        server.kill9()
        sent = await task
        server.start()
        assert server.verify().returncode == 0
        async with await Client.connect(server, "nurse-0", form, device="device-0", resume=nina) as again:
            assert not again.resets
            texts = again.texts("pat", "clinical")
            for command_id in nina.committed:
                assert texts.count(sent[command_id]["command"]["postMessage"]["content"]["text"]) == 1
