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


@pytest.fixture
def behind_a_proxy():
    """Whoever connects from this machine is a proxy that is believed; six connections for each address."""
    with Server(redis=False, settings={"server.trusted_proxies": ["127.0.0.1", "10.1.1.1"], "server.max_connections_per_address": 6}) as server:
        server.import_resources(room_resources("pat", [("nina", "oncology-nurse")]))
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
    assert got.status == 429 and got.headers.get("retry-after") == "5"
    assert (await people[0].post("pat", "clinical", "Nobody else notices")).ok
    await people.pop().close()
    end = asyncio.get_running_loop().time() + 5
    while (got := await http_upgrade(ward.port, protocol=f"careteam.v1.{form}")).status != 101:
        assert got.status == 429 and asyncio.get_running_loop().time() < end
    got.writer.close()
    for one in people:
        await one.close()


async def open_with(server, forwarded):
    """An upgrade with these X-Forwarded-For fields."""
    return await http_upgrade(server.port, headers={"X-Forwarded-For": forwarded})


async def test_attack_08_what_a_client_says_about_itself_is_ignored(ward, form):
    """An address and a name in headers: the peer's address counts, and the token tells who it is."""
    opened = [await open_with(ward, f"192.0.2.{number}") for number in range(6)]
    assert [one.status for one in opened] == [101] * 6
    for forwarded in ("192.0.2.99", "127.0.0.1", "::1"):
        assert (await open_with(ward, forwarded)).status == 429
    for one in opened:
        one.writer.close()
    end = asyncio.get_running_loop().time() + 5
    while (got := await open_with(ward, "192.0.2.1")).status != 101:
        assert asyncio.get_running_loop().time() < end
    got.writer.close()
    claims = {"X-User-ID": "nina", "X-Remote-User": "nina", "Authorization": "Bearer nina", "Forwarded": "for=10.0.0.1"}
    client = await Client.open(ward, "nina", form, headers=claims)
    await client.hello("nina")
    assert await client.closed() == 4401


async def test_attack_08_behind_a_trusted_proxy_the_client_behind_it_counts(behind_a_proxy, form):
    server = behind_a_proxy
    nina = await Client.connect(server, "nina", form, headers={"X-Forwarded-For": "192.0.2.1"})
    opened = [await open_with(server, "192.0.2.1") for _ in range(5)]
    assert [one.status for one in opened] == [101] * 5
    # What the client wrote itself stands left of what the proxy saw, in one field or several; a second proxy of ours is passed over.
    for forwarded in ("192.0.2.1", "10.9.9.9, 192.0.2.1", ["10.9.9.9", "192.0.2.1"], "192.0.2.1, 10.1.1.1", "192.0.2.1,::ffff:10.1.1.1", "garbage, 192.0.2.1 "):
        assert (await open_with(server, forwarded)).status == 429, forwarded
    for forwarded in ("192.0.2.2", "192.0.2.1, 192.0.2.2", "2001:db8::1", None, "192.0.2.1, garbage", "10.1.1.1"):
        got = await open_with(server, forwarded)
        assert got.status == 101, forwarded
        opened.append(got)
    assert (await nina.post("pat", "clinical", "Nobody else notices")).ok
    for one in opened:
        one.writer.close()
    await nina.close()
