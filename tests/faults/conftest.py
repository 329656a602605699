import os
import pathlib
import random
import secrets
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.append(str(pathlib.Path(__file__).parents[1]))  # What both kinds of tests use.


@pytest.fixture
def seed(record_property):
    """CARETEAM_SEED, or a new one. It is shown when a test fails; the same seed makes the same choices again."""
    chosen = int(os.environ.get("CARETEAM_SEED") or secrets.randbits(32))
    print(f"\nCARETEAM_SEED={chosen}")
    record_property("seed", chosen)
    return chosen


@pytest.fixture
def rng(seed):
    return random.Random(seed)


@pytest.fixture
def houses():
    """Makes houses; they are closed when the test ends, however it ends."""
    from house import House

    made = []

    def make(*arguments, **options):
        made.append(House(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
