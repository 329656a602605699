"""Fixtures of the end-to-end tests. Tests may be coroutines; each runs on an event loop of its own, with a deadline."""
import asyncio
import inspect
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.append(str(pathlib.Path(__file__).parents[1]))  # What both kinds of tests use.

from server import Server  # noqa: E402

TEST_SECONDS = 40


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    return True


@pytest.fixture(params=["json", "proto"])
def form(request):
    return request.param


@pytest.fixture(scope="module")
def demo():
    """A server with the demo team; one for all tests of a module."""
    with Server(demo=True, settings={"limits.stat_per_hour": 1000, "redis.presence_lease_ms": 1000, "redis.presence_refresh_ms": 200}) as server:
        yield server.start()


@pytest.fixture
def fresh():
    """A server with the demo team, for one test alone."""
    with Server(demo=True, settings={"limits.stat_per_hour": 1000, "redis.presence_lease_ms": 1000, "redis.presence_refresh_ms": 200}) as server:
        yield server.start()
