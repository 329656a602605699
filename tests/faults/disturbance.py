"""What breaks while the crowd works: a plan that comes from a seed, and its execution on a house."""
import contextlib
import os
import signal
import threading
import time

# Name, how often, shortest and longest time that it takes.
KINDS = (
    ("kill", 4, 0.0, 0.3),           # SIGKILL, and a start after that time; sometimes killed once more while it starts.
    ("stall", 3, 0.05, 1.5),         # The server stands still.
    ("stutter", 2, 0.3, 1.0),        # The server stands still every other moment, as on a machine that is too busy.
    ("slow_disk", 2, 0.5, 1.5),      # Somebody else syncs large files to the same disk.
    ("redis_stall", 1, 0.05, 2.5),   # Redis stands still: longer than the server waits, or not.
    ("redis_kill", 1, 0.0, 1.0),     # Redis is killed and comes back empty.
    ("redis_flush", 1, 0.0, 0.0))    # Redis forgets.
STUTTER_SECONDS = 0.02
LONGEST_PAUSE = 0.8
SLOW_DISK_BYTES = 8 << 20


def make_plan(rng, faults):
    """[(pause before it, kind, how long, second kill), …]; the first kill is certain."""
    names, weights = [one[0] for one in KINDS], [one[1] for one in KINDS]
    chosen = rng.choices(names, weights, k=faults)
    chosen[rng.randrange(faults)] = "kill"
    ranges = {name: (shortest, longest) for name, _, shortest, longest in KINDS}
    return [(rng.uniform(0, LONGEST_PAUSE), kind, rng.uniform(*ranges[kind]), rng.random() < 0.25) for kind in chosen]


def carry_out(house, plan):
    for pause, kind, seconds, again in plan:
        time.sleep(pause)  # Not waiting for anything: the moment is what is random.
        if kind == "kill":
            house.kill9()
            time.sleep(seconds)
            house.launch()
            if again:
                time.sleep(seconds / 4)
                house.kill9()
                house.launch()
        elif kind == "stall":
            _stand_still(house.server, seconds)
        elif kind == "stutter":
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                _stand_still(house.server, STUTTER_SECONDS)
                time.sleep(STUTTER_SECONDS)
        elif kind == "slow_disk":
            _busy_disk(house.store.parent / "ballast", seconds)
        elif kind == "redis_stall":
            _stand_still(house.redis, seconds)
        elif kind == "redis_kill":
            house.kill_redis()
            time.sleep(seconds)
            house.start_redis()
        elif kind == "redis_flush":
            house.flush_redis()


def _stand_still(process, seconds):
    process.send(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        process.send(signal.SIGCONT)


def _busy_disk(file, seconds):
    """Writes and syncs beside the store, from two threads, so that the store's own fsync has to wait."""
    end = time.monotonic() + seconds

    def write(path):
        with open(path, "wb", buffering=0) as out:
            while time.monotonic() < end:
                out.seek(0)
                out.write(os.urandom(SLOW_DISK_BYTES))
                os.fsync(out.fileno())

    paths = [file.with_suffix(f".{number}") for number in range(2)]
    threads = [threading.Thread(target=write, args=(path,)) for path in paths]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
