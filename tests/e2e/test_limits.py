"""Floods: one person's commands, one address' connections. Nobody else notices."""
import asyncio

import pytest
from careteam_client import RESOURCE_EXHAUSTED, Client, http_upgrade
from server import Server, room_resources


@pytest.fixture
def ward():
    settings = {"limits.wrong_patient_window_ms": 0, "limits.commands_per_minute": 60, "limits.commands_at_once": 10, "server.max_connections_per_address": 6}
    with Server(redis=False, settings=settings) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse"), ("rao", "medical-oncologist")]))
        yield server.start()


async def test_attack_31_a_flood_of_commands_is_refused_and_nothing_acknowledged_is_lost(ward, form):
    flooding = [await Client.connect(ward, "nina", form, device=f"d-{number}") for number in range(2)]
    rao = await Client.connect(ward, "rao", form)
    sent = [asyncio.create_task(flooding[number % 2].post("pat", "clinical", f"Flood {number}")) for number in range(60)]
    assert (await rao.post("pat", "clinical", "In the middle of it")).ok
    answers = await asyncio.gather(*sent)
    taken = [one for one in answers if one.ok]
    refused = [one for one in answers if not one.ok]
    assert 10 <= len(taken) <= 12 and all(one.code == RESOURCE_EXHAUSTED and 0 < one.raw["retryAfterMs"] <= 1001 for one in refused)
    assert ward.metrics()["careteam_commands_limited_total"] == len(refused)
    await rao.until(lambda: len(rao.texts("pat", "clinical")) == len(taken) + 1)
    # Reading is not limited by it, and after the time that was told there is one more.
    await flooding[0].fence()
    end = asyncio.get_running_loop().time() + 5
    while not (await flooding[0].post("pat", "clinical", "After a while")).ok:
        assert asyncio.get_running_loop().time() < end
    for one in (*flooding, rao):
        await one.close()


async def test_attack_31_connections_of_one_address(ward, form):
    people = [await Client.connect(ward, "nina", form, device=f"d-{number}") for number in range(6)]
    got = await http_upgrade(ward.port, protocol=f"careteam.v1.{form}")
    assert got.status == 429 and 2 <= int(got.headers["retry-after"]) <= 10
    assert (await people[0].post("pat", "clinical", "Nobody else notices")).ok
    await people.pop().close()
    end = asyncio.get_running_loop().time() + 5
    while (got := await http_upgrade(ward.port, protocol=f"careteam.v1.{form}")).status != 101:
        assert got.status == 429 and asyncio.get_running_loop().time() < end
    got.writer.close()
    for one in people:
        await one.close()
