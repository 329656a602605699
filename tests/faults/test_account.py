"""The tests of this folder are worth what account() notices: each kind of loss and repetition is played to it once."""
import copy

import pytest

import crowd
from contract import Entry
from crowd import Crowd, account, members_of, rooms_of

ROOMS = 2
CUTS = 300


def any_command(results, kind):
    return next((one, index) for one in results for index, command in enumerate(one["committed"]) if command[1] == kind)


def forget_commit(results, logs):
    one, index = any_command(results, "posted")
    del one["committed"][index]
    return "which was never committed"


def commit_elsewhere(results, logs):
    one, index = any_command(results, "posted")
    command_id, kind, patient, stream, seq, target = one["committed"][index]
    one["committed"][index] = (command_id, kind, patient, stream, seq + 1, target)
    return "should be at"


def refuse_what_happened(results, logs):
    one, index = any_command(results, "posted")
    one["refused"].append((one["committed"][index][0], 9))
    return "was refused with 9 and is at"


def leave_unanswered(results, logs):
    results[0]["pending"].append("0190")
    return "never answered"


def miss_the_last_entry(results, logs):
    key = next(key for key in results[0]["logs"] if key[1] == 1)
    head, chain = results[0]["logs"][key]
    results[0]["logs"][key] = (head - 1, chain)
    return "entries of"


def hold_other_bytes(results, logs):
    key = next(key for key in results[0]["logs"] if key[1] == 1)
    results[0]["logs"][key] = (results[0]["logs"][key][0], bytes(32))
    return "are not those of the server"


def post_twice(results, logs):
    log = next(log for key, log in logs.items() if any(Entry.FromString(raw).HasField("message_posted") for raw in log.entries))
    log.entries.append(next(raw for raw in log.entries if Entry.FromString(raw).HasField("message_posted")))
    return "has two effects"


MUTATIONS = [forget_commit, commit_elsewhere, refuse_what_happened, leave_unanswered, miss_the_last_entry, hold_other_bytes, post_twice]


def test_what_is_wrong_is_noticed(houses, seed, monkeypatch):
    rooms = rooms_of(ROOMS)
    house = houses(rooms)
    house.start()
    results = Crowd(house, members_of(ROOMS), seed, cuts=CUTS, processes=1).wait(60)
    account(house, rooms, results, seed)
    logs, faults = crowd.read_everything(house, rooms, seed)
    for mutate in MUTATIONS:
        wrong_results, wrong_logs = copy.deepcopy(results), copy.deepcopy(logs)
        said = mutate(wrong_results, wrong_logs)
        monkeypatch.setattr(crowd, "read_everything", lambda *_, wrong_logs=wrong_logs: (wrong_logs, list(faults)))
        with pytest.raises(AssertionError, match=said):
            account(house, rooms, wrong_results, seed)
