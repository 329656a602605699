"""Everybody at once: floods of positions, and the morning after a crash."""
import asyncio
import os
import time

from careteam_client import Client
from server import Server, room_resources, sanitized
from websocket_bytes import http_upgrade

MIB = 1 << 20
PEOPLE, DEVICES = 24, 12
MISSED = 20
BACK_SECONDS = 15.0   # Until the last of them has everything.
MEMORY_EACH = 256 * 1024
POSITIONS = 4_000
STAFF = [("nina", "oncology-nurse"), ("rao", "medical-oncologist"), ("sam", "social-worker")]


async def test_attack_31_positions_are_shed_first(form):
    """Thousands of positions become a few writes; messages of others are answered meanwhile, and the last position counts."""
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        nina, rao = await Client.connect(server, "nina", form), await Client.connect(server, "rao", form)
        for number in range(30):
            said = await rao.post("pat", "clinical", f"To be read {number}")
        await nina.has("pat", "clinical", said.seq)
        before, began = server.metrics()["careteam_store_transactions_total"], time.monotonic()

        async def flood():
            for number in range(POSITIONS):
                await nina.cursor("pat", "clinical", received=said.seq, read=1 + number * said.seq // POSITIONS)
                if number % 50 == 0:
                    await asyncio.sleep(0.001)  # The writer beside it is in this process, too.
            await nina.cursor("pat", "clinical", received=said.seq, displayed=said.seq, read=said.seq)

        flooding = asyncio.create_task(flood())
        slowest, posts = 0.0, 0
        while not flooding.done():
            asked = time.monotonic()
            assert (await rao.post("pat", "clinical", "In the middle of the flood")).ok
            slowest, posts = max(slowest, time.monotonic() - asked), posts + 1
        await nina.until(lambda: nina.cursors and int(nina.cursors[-1]["read"]) == said.seq)
        took = time.monotonic() - began
        writes = server.metrics()["careteam_store_transactions_total"] - before
        assert posts > 3 and slowest < 2.0, (posts, slowest)
        assert writes <= posts + took / 0.05 + 5, f"{writes} transactions for {posts} messages and positions in {took:.1f} s"
        assert len(nina.cursors) <= took / 0.05 + 5 and not nina.refused
        for one in (nina, rao):
            await one.close()


async def test_attack_32_everybody_comes_back_at_once():
    """After a crash each of some hundred devices has missed something in three streams: all of them have it soon, in bounded memory."""
    form = "proto"
    people = [(f"nurse-{number}", "oncology-nurse") for number in range(PEOPLE)]
    with Server(redis=False, settings={"limits.wrong_patient_window_ms": 0}) as server:
        server.import_resources(room_resources("pat", [("rao", "medical-oncologist"), *people]))
        server.start()
        first = [await Client.connect(server, person, form) for person, _ in people]
        for one in first:
            await one.close()
        async with await Client.connect(server, "rao", form) as rao:
            for number in range(MISSED):
                for stream in ("shared", "clinical", "support"):
                    assert (await rao.post("pat", stream, f"While you were away {number} " + "x" * 200)).ok
            heads = rao.positions()
        server.kill9()
        server.start()
        calm, began = server.memory("VmRSS"), time.monotonic()

        async def come_back(one, device):
            return await Client.connect(server, one.person, form, device=f"{one.device}-{device}", resume=one, token=server.token(one.person))

        back = await asyncio.gather(*(come_back(one, device) for one in first for device in range(DEVICES)))
        took = time.monotonic() - began
        for one in back:
            assert {key: one.head(*key) for key in heads} == heads
        grown = server.memory("VmHWM") - calm
        print(f"{len(back)} devices have everything after {took:.1f} s; {grown / MIB:.1f} MiB more at most")
        assert took < BACK_SECONDS and (sanitized() or grown < len(back) * MEMORY_EACH), (took, grown)
        # And when they are sent away, they are told different times to come back.
        os.kill(server.pid, 15)
        await asyncio.gather(*(one.closed() for one in back))
        hints = {int(one.drain["reconnectAfterMs"]) for one in back}
        assert len(hints) > len(back) / 2 and min(hints) >= 100 and max(hints) <= 5_100
        server.wait()


async def test_attack_32_who_is_not_admitted_is_told_to_come_back_at_different_times(form):
    with Server(redis=False, settings={"server.max_connections": 2, "server.max_connections_per_person": 2}) as server:
        server.import_resources(room_resources("pat", STAFF))
        server.start()
        taken = [await Client.connect(server, "nina", form, device=f"d-{number}") for number in range(2)]
        refused = await asyncio.gather(*(http_upgrade(server.port, protocol=f"careteam.v1.{form}") for _ in range(40)))
        assert {one.status for one in refused} == {503}
        seconds = {int(one.headers["retry-after"]) for one in refused}
        assert len(seconds) > 3 and min(seconds) >= 2 and max(seconds) <= 10
        await taken.pop().close()
        end = asyncio.get_running_loop().time() + 5
        while (got := await http_upgrade(server.port, protocol=f"careteam.v1.{form}")).status != 101:
            assert asyncio.get_running_loop().time() < end
        got.writer.close()
        await taken.pop().close()
