"""Judges what concurrent clients saw: a pure function over a history, in the spirit of Jepsen's checkers. It knows nothing of the server.

    python3 tests/faults/history_check.py HISTORY.json     # says what is wrong with a history that was kept; exit 1 if anything is

A history is what test_history.py writes: `devices`, each with a person and its `events` (see witness.py); `final`, all entries as they were
read at the end, after a last restart; and `wall`, the wall clock less the machine's monotonic clock, because entries carry the wall clock's
time. `final` is the truth that everything is held against: what is not in it has been lost.

Each rule is one function that yields findings. What the server may do is left to it: which of two concurrent commands comes first, whether a
command whose connection broke has happened, when an entry arrives. What it promises is not: see the rules.
"""
import collections
import json
import sys

SHARED, CLINICAL, SUPPORT, AUDIT = 1, 2, 3, 4
RETRYABLE = (8, 14)  # RESOURCE_EXHAUSTED, UNAVAILABLE: the same command may be sent again.
ABORTED = 10
MEDICAL_ONCOLOGIST, ONCOLOGY_NURSE, SOCIAL_WORKER, PATIENT, PRIVACY_OFFICER = 1, 8, 12, 18, 21
# Who reads what, told once more: a mistake in the server's table should not be repeated by taking the table from there.
READS = {MEDICAL_ONCOLOGIST: {SHARED, CLINICAL, SUPPORT}, ONCOLOGY_NURSE: {SHARED, CLINICAL, SUPPORT}, SOCIAL_WORKER: {SHARED, SUPPORT},
         PATIENT: {SHARED}, PRIVACY_OFFICER: {AUDIT}}
CLOCK_GRAIN = 0.001  # Seconds between a moment of the wall clock and one of the monotonic clock that are told to be the same.
FOREVER = float("inf")


class History:
    """The history, arranged for the rules."""

    def __init__(self, raw):
        self.wall = raw["wall"]
        self.devices = raw["devices"]
        self.final = raw["final"]
        self.log = {}  # (patient, stream) -> {seq: entry}
        for entry in self.final:
            self.log.setdefault((entry["patient"], entry["stream"]), {}).setdefault(entry["seq"], entry)
        self.members = self._members()
        self.asked = {}                                  # id -> (person, its `ask`)
        self.sent = collections.defaultdict(list)        # id -> moments
        self.committed = collections.defaultdict(list)   # id -> events
        self.refused = collections.defaultdict(list)     # id -> events
        self.effects = collections.defaultdict(list)     # id -> entries; of roster commands the one of the audit
        for one in self.devices:
            for event in one["events"]:
                kind = event["e"]
                if kind == "ask":
                    self.asked[event["id"]] = (one["person"], event)
                elif kind == "sent":
                    self.sent[event["id"]].append(event["at"])
                elif kind == "committed":
                    self.committed[event["id"]].append(event)
                elif kind == "refused" and event["id"]:
                    self.refused[event["id"]].append(event)
        for entry in self.final:
            if entry["id"]:
                self.effects[entry["id"]].append(entry)

    def _members(self):
        """(patient, person) -> [[from, until, role, seq of its end], …], from the roster as it was written down."""
        found = collections.defaultdict(list)
        for (patient, stream), log in self.log.items():
            found[patient, patient] = [[-FOREVER, FOREVER, PATIENT, FOREVER]]
            if stream != SHARED:
                continue
            for seq, entry in sorted(log.items()):
                if entry["fact"] == "member_added":
                    found[patient, entry["person"]].append([entry["start"], entry["end"] or FOREVER, entry["role"], FOREVER])
                elif entry["fact"] == "member_ended":
                    for one in found[patient, entry["person"]]:
                        if one[2] == entry["role"] and one[1] > entry["end"]:
                            one[1], one[3] = entry["end"], seq
        return found

    def entry(self, patient, stream, seq):
        return self.log.get((patient, stream), {}).get(seq)

    def may_have(self, person, entry, at):
        """Whether the person may be shown this entry at this moment: a member who reads the stream, not only before it was written."""
        # What is decided together has one time; within a stream the order tells more.
        return any(entry["stream"] in READS.get(role, ()) and until >= entry["time"] and since <= at + self.wall + CLOCK_GRAIN
                   and not (entry["stream"] == SHARED and until == entry["time"] and entry["seq"] > last)
                   for since, until, role, last in self.members[entry["patient"], person])

    def was_member(self, person, patient, time):
        return any(since <= time <= until for since, until, *_ in self.members[patient, person])


def name(device):
    return f"{device['person']}/{device['device']}"


def place(event):
    return f"{event['patient']} {event['stream']} {event['seq']}"


# --- entries ---


def the_log_is_whole(history):
    """Each stream goes 1, 2, 3 … at the end, each roster version by one."""
    seen = collections.Counter((one["patient"], one["stream"], one["seq"]) for one in history.final)
    for where, count in seen.items():
        if count > 1:
            yield f"the log holds {where} {count} times"
    for (patient, stream), log in history.log.items():
        missing = sorted(set(range(1, max(log) + 1)) - set(log))
        if missing:
            yield f"the log of {patient} {stream} lacks {missing[:5]}"
        versions = [entry["version"] for _, entry in sorted(log.items()) if stream == SHARED and entry["version"]]
        if versions != list(range(1, len(versions) + 1)):
            yield f"the roster versions of {patient} are {versions}"


def entries_come_in_order(history):
    """Each device gets each stream from where it was, by one, within what Welcome or a gain has named; and nothing before Welcome."""
    for device in history.devices:
        position, resume, open_conn = {}, {}, None
        for event in device["events"]:
            kind = event["e"]
            if kind == "hello":
                resume, position, open_conn = {(patient, stream): seq for patient, stream, seq in event["resume"]}, {}, None
            elif kind == "welcome":
                open_conn = event["conn"]
                for patient, stream, head, after, *_ in event["streams"]:
                    position[patient, stream] = after
                    if after != resume.get((patient, stream), 0):
                        yield f"{name(device)}: {patient} {stream} goes on after {after}, the device holds {resume.get((patient, stream), 0)}"
                    if after > head:
                        yield f"{name(device)}: {patient} {stream} goes on after {after}, beyond its head {head}"
            elif kind in ("gained", "revoked", "entry", "fetched", "cursor", "receipt", "presence") and event["conn"] != open_conn:
                yield f"{name(device)}: '{kind}' came before Welcome"
            elif kind == "gained":
                position[event["patient"], event["stream"]] = event["after"]
            elif kind == "revoked":
                position.pop((event["patient"], event["stream"]), None)
            elif kind == "reset":
                yield f"{name(device)}: {event['patient']} {event['stream']} was reset, though nothing was restored"
            elif kind == "entry":
                key = event["patient"], event["stream"]
                if key not in position:
                    yield f"{name(device)}: got {place(event)}, a stream that it was not told of"
                elif event["seq"] <= position[key]:
                    yield f"{name(device)}: got {place(event)} again, after {position[key]}"
                elif event["seq"] != position[key] + 1:
                    yield f"{name(device)}: got {place(event)} after {position[key]}: a gap"
                position[key] = event["seq"]


def what_was_seen_is_there(history):
    """Whatever anybody was shown is in the log, with the same bytes for everybody."""
    for device in history.devices:
        for event in device["events"]:
            if event["e"] in ("entry", "fetched"):
                entry = history.entry(event["patient"], event["stream"], event["seq"])
                if entry is None:
                    yield f"{name(device)}: was shown {place(event)}, which is lost"
                elif entry["digest"] != event["digest"]:
                    yield f"{name(device)}: was shown another {place(event)} than the log holds"


def entries_stay_in_the_audience(history):
    """Nobody is shown an entry of a stream that they may not read, or that was written after they had left."""
    for device in history.devices:
        for event in device["events"]:
            if event["e"] in ("entry", "fetched"):
                entry = history.entry(event["patient"], event["stream"], event["seq"])
                if entry and not history.may_have(device["person"], entry, event["at"]):
                    yield f"{name(device)}: was shown {place(event)} ({event['e']}), which leaked"
            elif event["e"] in ("welcome", "gained"):
                streams = event["streams"] if event["e"] == "welcome" else [[event["patient"], event["stream"]]]
                for patient, stream, *_ in streams:
                    if not any(stream in READS.get(role, ()) for _, _, role, _ in history.members[patient, device["person"]]):
                        yield f"{name(device)}: was told of {patient} {stream}, which leaked"
            elif device["is_patient"] and event["e"] == "presence":
                yield f"{name(device)}: a patient was told that {event['person']} is {event['state']}"
            elif device["is_patient"] and event["e"] == "receipt":
                yield f"{name(device)}: a patient was told what {event['person']} has read"


def heads_never_go_back(history):
    """Whatever anybody knew before somebody said Hello is within the head that Welcome names, also after a crash."""
    known = []
    for device in history.devices:
        for event in device["events"]:
            if event["e"] in ("entry", "fetched", "committed") and event["seq"]:
                known.append((event["at"], event["patient"], event["stream"], event["seq"]))
    asked = []
    for device in history.devices:
        since = 0.0
        for event in device["events"]:
            if event["e"] == "hello":
                since = event["at"]
            elif event["e"] == "welcome":
                asked.append((since, device, event))
    known.sort(key=lambda one: one[0])
    at, heads = 0, collections.defaultdict(int)
    for since, device, event in sorted(asked, key=lambda one: one[0]):
        while at < len(known) and known[at][0] < since:
            _, patient, stream, seq = known[at]
            heads[patient, stream] = max(heads[patient, stream], seq)
            at += 1
        for patient, stream, head, *_ in event["streams"]:
            if head < heads[patient, stream]:
                yield f"{name(device)}: Welcome names the head {head} of {patient} {stream}, {heads[patient, stream]} was known before"


# --- commands ---


def committed_is_there(history):
    """Whatever was acknowledged is in the log, at the place that was told, as its author asked for it."""
    for command_id, answers in history.committed.items():
        if command_id not in history.asked:
            yield f"{command_id} was committed, and nobody asked for it"
            continue
        person, ask = history.asked[command_id]
        first = answers[0]
        if first["seq"] == 0:
            if ask["kind"] not in ("acknowledged", "edited", "viewed"):
                yield f"{command_id} ({ask['kind']}) was committed without a place"
            continue
        entry = history.entry(ask["patient"], first["stream"], first["seq"])
        where = f"{command_id} ({ask['kind']} by {person}) at {ask['patient']} {first['stream']} {first['seq']}"
        if entry is None:
            yield f"{where} was acknowledged and is lost"
        elif entry["author"] != person or not _is_effect(ask, entry):
            yield f"{where} was acknowledged, but there is a {entry['fact']} by {entry['author']}"
        elif ask["kind"] in ("added", "ended") and not history.effects.get(command_id):
            yield f"{where} was acknowledged, and its part for the audit is lost"


def _is_effect(ask, entry):
    if ask["kind"] in ("posted", "edited"):
        return entry["fact"] == f"message_{ask['kind']}" and entry["id"] == ask["id"]
    if ask["kind"] == "acknowledged":
        return entry["fact"] == "message_acknowledged" and entry["target"] == ask["target"]
    return entry["fact"] == f"member_{ask['kind']}" and entry["person"] == ask["person"] and entry["version"] == ask["expected"] + 1


def one_command_has_one_effect(history):
    acknowledged = collections.Counter()
    for command_id, entries in history.effects.items():
        if len(entries) > 1:
            yield f"{command_id} has two effects: {place(entries[0])} and {place(entries[1])}"
        if command_id not in history.asked:
            yield f"{place(entries[0])} is the effect of {command_id}, for which nobody asked"
        elif history.asked[command_id][0] != entries[0]["author"]:
            yield f"{place(entries[0])} is by {entries[0]['author']}, asked for by {history.asked[command_id][0]}"
    for entry in history.final:
        if entry["fact"] == "message_acknowledged":
            acknowledged[entry["patient"], entry["stream"], entry["target"], entry["revision"], entry["author"]] += 1
    for what, count in acknowledged.items():
        if count > 1:
            yield f"acknowledged {count} times: {what}"


def one_command_has_one_answer(history):
    """Every `committed` of a command tells the same place; no final refusal follows it; and no more answers than questions."""
    for command_id, answers in history.committed.items():
        places = {(one["stream"], one["seq"]) for one in answers}
        if len(places) > 1:
            yield f"{command_id} was answered with {sorted(places)}"
        first = min(one["at"] for one in answers)
        for one in history.refused.get(command_id, ()):
            # A refusal that was under way when the same command, sent once more, was carried out proves nothing; one to a later question does.
            if one["code"] not in RETRYABLE and all(at > first for at in history.sent[command_id] if at < one["at"]):
                yield f"{command_id} was committed and later refused with {one['code']} {one['field']}"
    for device in history.devices:
        open_questions = collections.Counter()
        for event in device["events"]:
            if event["e"] == "sent":
                open_questions[event["conn"], event["id"]] += 1
            elif event["e"] in ("committed", "refused") and event["id"] in history.asked:
                open_questions[event["conn"], event["id"]] -= 1
                if open_questions[event["conn"], event["id"]] < 0:
                    yield f"{name(device)}: {event['id']} was answered more often than it was sent"


def refused_has_no_effect(history):
    """A command has an effect only if it was sent at least once more often than it was refused."""
    for command_id, entries in history.effects.items():
        sent, refused = len(history.sent.get(command_id, ())), len(history.refused.get(command_id, ()))
        if sent <= refused:
            yield f"{command_id} was sent {sent} times and refused {refused} times, and is at {place(entries[0])}"


def every_command_is_answered(history):
    for command_id in history.sent:
        if command_id not in history.committed and all(one["code"] in RETRYABLE for one in history.refused.get(command_id, ())):
            yield f"{command_id} ({history.asked[command_id][1]['kind']}) was never answered"


def authors_are_members(history):
    """Whoever wrote something was on the team at that time."""
    for entry in history.final:
        if entry["id"] and not history.was_member(entry["author"], entry["patient"], entry["time"]):
            yield f"{place(entry)} is by {entry['author']}, who was not on the team"


def answered_before_asked_comes_first(history):
    """Real time: what was acknowledged before another command was first sent stands before it in the stream."""
    streams = collections.defaultdict(list)
    for command_id, answers in history.committed.items():
        if answers[0]["seq"] and command_id in history.asked and history.sent[command_id]:
            patient = history.asked[command_id][1]["patient"]
            streams[patient, answers[0]["stream"]].append(
                (answers[0]["seq"], history.sent[command_id][0], min(one["at"] for one in answers), command_id))
    for key, commands in streams.items():
        answered, by = FOREVER, None
        for seq, sent, told, command_id in sorted(commands, reverse=True):
            if sent > answered:
                yield f"{key[0]} {key[1]}: {command_id} at {seq} was sent after the answer to {by}, which stands behind it"
            if told < answered:
                answered, by = told, command_id


# --- the roster: compare and set ---


def one_change_for_each_roster_version(history):
    """Of all changes that expected one version at most one is committed. None is refused for its version while it was the right one and no
    other change was under way: then there was nothing that it could have lost to."""
    written = {}  # (patient, version) -> time
    for (patient, stream), log in history.log.items():
        for entry in log.values():
            if stream == SHARED and entry["version"]:
                written[patient, entry["version"]] = entry["time"]
    contenders = collections.defaultdict(list)  # (patient, expected version) -> (id, first sent, last answered)
    for command_id, (_, ask) in history.asked.items():
        if ask["kind"] in ("added", "ended") and history.sent.get(command_id):
            answers = [one["at"] for one in (*history.committed.get(command_id, ()), *history.refused.get(command_id, ()))]
            contenders[ask["patient"], ask["expected"]].append((command_id, history.sent[command_id][0], max(answers, default=FOREVER)))
    for (patient, version), commands in contenders.items():
        winners = sorted(one for one, _, _ in commands if one in history.committed or one in history.effects)
        if len(winners) > 1:
            yield f"version {version} of {patient} was changed by {len(winners)} commands: {winners[:3]}"
        since, until = written.get((patient, version), FOREVER), written.get((patient, version + 1), FOREVER)
        for command_id, sent, _ in commands:
            for one in history.refused.get(command_id, ()):
                right = since + CLOCK_GRAIN < sent + history.wall and one["at"] + history.wall < until - CLOCK_GRAIN
                alone = not any(other != command_id and first < one["at"] and last > sent for other, first, last in commands)
                if one["code"] == ABORTED and right and alone:
                    yield f"{command_id} was refused for version {version} of {patient}, which was the right one all the time"


def roster_views_are_fresh(history):
    """A roster that was asked for after somebody knew of a version is of that version at least, and of one that exists."""
    known = collections.defaultdict(list)  # patient -> [(at, version)]
    last = collections.defaultdict(int)
    for (patient, stream), log in history.log.items():
        if stream == SHARED:
            last[patient] = max((entry["version"] for entry in log.values()), default=0)
    for device in history.devices:
        for event in device["events"]:
            if event["e"] in ("entry", "committed") and event["stream"] == SHARED:
                entry = history.entry(event["patient"], event["stream"], event["seq"])
                if entry and entry["version"]:
                    known[event["patient"]].append((event["at"], entry["version"]))
    for device in history.devices:
        for event in device["events"]:
            if event["e"] != "roster" or not history.sent.get(event["id"]):
                continue
            since = history.sent[event["id"]][0]
            least = max((version for at, version in known[event["patient"]] if at < since), default=0)
            if not least <= event["version"] <= last[event["patient"]]:
                yield f"{name(device)}: saw roster version {event['version']} of {event['patient']}, {least} was known, {last[event['patient']]} is the last"


# --- reading ---


def read_positions_only_move_forward(history):
    """A person's read position, as anybody is told of it, never goes back, and is one that a device of theirs has sent."""
    moved = collections.defaultdict(lambda: {0})
    told = collections.defaultdict(list)    # (person, patient, stream) -> [(at, read)]
    opened = collections.defaultdict(list)  # the same -> [(when Hello was said, read, device)]
    for device in history.devices:
        since, seen = 0.0, {}
        for event in device["events"]:
            kind = event["e"]
            if kind == "hello":
                since, seen = event["at"], {}
            elif kind == "moved":
                moved[device["person"], event["patient"], event["stream"]].add(event["read"])
            elif kind in ("welcome", "gained", "cursor"):
                rows = [[one[0], one[1], one[4]] for one in event["streams"]] if kind == "welcome" else [[event["patient"], event["stream"], event["read"]]]
                for patient, stream, read in rows:
                    key = device["person"], patient, stream
                    if read < seen.get(key, 0):
                        yield f"{name(device)}: read of {patient} {stream} went back from {seen[key]} to {read}"
                    seen[key] = read
                    told[key].append((event["at"], read, device))
                    if kind == "welcome":
                        opened[key].append((since, read, device))
    for key, rows in told.items():
        for _, read, device in rows:
            if read not in moved[key]:
                yield f"{name(device)}: read of {key[1]} {key[2]} is {read}, which nobody had said"
    for key, openings in opened.items():
        rows, at, most = sorted(told[key], key=lambda one: one[0]), 0, 0
        for since, read, device in sorted(openings, key=lambda one: one[0]):
            while at < len(rows) and rows[at][0] < since:
                most = max(most, rows[at][1])
                at += 1
            if read < most:
                yield f"{name(device)}: Welcome tells read {read} of {key[1]} {key[2]}, {most} was told before"


def unread_is_right(history):
    """Unread is head − read, less one's own entries: with Welcome's own head, otherwise with some head from then on."""
    authored = collections.defaultdict(list)  # (person, patient, stream) -> seqs
    for entry in history.final:
        if entry["author"]:
            authored[entry["author"], entry["patient"], entry["stream"]].append(entry["seq"])

    def expected(key, head, read):
        return head - read - sum(read < seq <= head for seq in authored[key])

    for device in history.devices:
        heads, before, frame = {}, {}, None
        for event in device["events"]:
            if event["frame"] != frame:
                frame, before = event["frame"], dict(heads)  # A position may be older than the entries of its frame.
            if event["e"] in ("welcome", "gained"):
                rows = event["streams"] if event["e"] == "welcome" else [[event[k] for k in ("patient", "stream", "head", "after", "read", "displayed", "unread")]]
                for patient, stream, head, _, read, _, unread in rows:
                    heads[patient, stream] = head
                    right = expected((device["person"], patient, stream), head, read)
                    if unread != right:
                        yield f"{name(device)}: {event['e']} tells unread {unread} of {patient} {stream} at {head}, read {read}; it is {right}"
            elif event["e"] == "entry":
                heads[event["patient"], event["stream"]] = max(event["seq"], heads.get((event["patient"], event["stream"]), 0))
            elif event["e"] == "cursor":
                key = device["person"], event["patient"], event["stream"]
                log = history.log.get((event["patient"], event["stream"]), {0: None})
                first = before.get((event["patient"], event["stream"]), 0)
                if not any(expected(key, head, event["read"]) == event["unread"] for head in range(first, max(log) + 1)):
                    yield f"{name(device)}: unread {event['unread']} of {key[1]} {key[2]} with read {event['read']}: no head since {first} gives that"


def receipts_only_move_forward(history):
    for device in history.devices:
        seen = {}
        for event in device["events"]:
            if event["e"] != "receipt":
                continue
            key = event["patient"], event["stream"], event["person"]
            before = seen.get(key, (0, 0))
            if event["received"] < before[0] or event["displayed"] < before[1]:
                yield f"{name(device)}: the receipt of {key} went back from {before} to {(event['received'], event['displayed'])}"
            seen[key] = event["received"], event["displayed"]


RULES = (the_log_is_whole, entries_come_in_order, what_was_seen_is_there, entries_stay_in_the_audience, heads_never_go_back, committed_is_there,
         one_command_has_one_effect, one_command_has_one_answer, refused_has_no_effect, every_command_is_answered, authors_are_members,
         answered_before_asked_comes_first, one_change_for_each_roster_version, roster_views_are_fresh, read_positions_only_move_forward,
         unread_is_right, receipts_only_move_forward)


def check(raw):
    """Everything that is wrong with a history, as (rule, finding)."""
    history = History(raw)
    return [(rule.__name__, finding) for rule in RULES for finding in rule(history)]


def main():
    with open(sys.argv[1]) as file:
        found = check(json.load(file))
    for rule, finding in found:
        print(f"{rule}: {finding}")
    print(f"{len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
