"""Fixtures: servers that end with the test, asyncio without a plugin, and the order in which the tests run."""
import asyncio
import functools
import inspect
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from server import Server  # noqa: E402

TEST_LIMIT = 120.0  # Seconds for one test.


def pytest_collection_modifyitems(items):
    # What looks at everything that the other tests left behind runs last.
    items.sort(key=lambda item: item.path.name == "test_zz_nothing_leaked.py")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs `async def` tests, each on a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    test = functools.partial(pyfuncitem.obj, **{name: pyfuncitem.funcargs[name] for name in names})

    async def limited():
        await asyncio.wait_for(test(), TEST_LIMIT)

    asyncio.run(limited())
    return True


@pytest.fixture
def make_server():
    """Makes servers (not started) that end with the test."""
    made = []

    def make(settings=None, **options):
        made.append(Server(settings, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def demo(make_server):
    """The demo's team, with the administrator adam, served."""
    one = make_server()
    one.import_demo()
    one.enroll("adam", administrator=True)
    return one.start()


@pytest.fixture(params=["json", "proto"])
def subprotocol(request):
    return request.param
