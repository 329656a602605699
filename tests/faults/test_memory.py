"""The server gets no more memory: it says so in one line and ends, or goes on refusing; nothing acknowledged is lost, and its successor serves."""
import asyncio
import resource
import socket

from contract import SHARED
from crowd import account, members_of, rooms_of, Crowd
from flaky_device import Device, Member, upgrade_request

ROOMS = 2
CONNECTIONS = 4_000  # Each takes memory before it says who it is:
UNFINISHED_FRAME = bytes([0x82, 0xFE, 0x80, 0x00]) + bytes(4 + 32_000)  # a frame of 32 KiB of which the end is missing.


def virtual_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def test_memory_that_runs_out_ends_the_server_in_order(houses, seed):
    rooms = rooms_of(ROOMS)
    house = houses(rooms, settings={"server.hello_timeout_ms": 60_000, "server.max_connections_per_address": 100_000})
    house.start()
    crowd = Crowd(house, members_of(ROOMS), seed, longest_life=1.0, pace=0.9)
    waiting = []
    try:
        first = Device(Member("doctor-0", "first", "room-0", (SHARED,)), house.client_port, house.tokens["doctor-0"], seed)
        asyncio.run(first.reach(first.caught_up, 30, "Welcome"))
        limit = virtual_bytes(house.server.pid)
        resource.prlimit(house.server.pid, resource.RLIMIT_AS, (limit, limit))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, CONNECTIONS + 500), hard))
        while house.server.exit_code() is None and len(waiting) < min(hard - 200, CONNECTIONS):
            try:
                one = socket.create_connection(("127.0.0.1", house.client_port), 5)
                waiting.append(one)
                one.sendall(upgrade_request("proto"))
                if not one.recv(4096):
                    break
                one.sendall(UNFINISHED_FRAME)
            except OSError:
                break
        assert house.server.wait_for_end(20) == 1, house.server.last_lines()
        assert house.server.count('"out_of_memory"') == 1
        for one in waiting:
            one.close()
        house.start()
        results = crowd.settle()
    finally:
        for one in waiting:
            one.close()
        crowd.end()
    account(house, rooms, results, seed)
    house.stop()
    house.check_store()
