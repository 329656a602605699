#!/usr/bin/env python3
"""Reads what a bench run wrote (JSON lines) and works out the floor's parameters and the table of medians."""
import argparse
import json
import pathlib
import statistics
import sys

# What a run says, by scenario: title, and the aims as (label, value of the medians, how it must compare, aim).
TITLES = {
    "closed_all": "all members send, each waits for its answer",
    "closed_one": "one sender a room",
    "tasks": "task commands: asked for, claimed, accepted, started, completed; one nurse is asked",
    "tasks_role": "the same; all ten nurses are asked",
    "open_1000": "1,000 messages/s",
    "open_5000": "5,000 messages/s",
}
AIMS = {
    "closed_all": [("messages/s", "messages_per_s", ">=", 20000), ("deliveries/s", "deliveries_per_s", ">=", 200000),
                   ("CPU by floor", "cpu_by_floor", "<=", 2)],
    "closed_one": [("messages/s", "messages_per_s", ">=", 9000)],
    "tasks": [("commands/s", "messages_per_s", ">=", 10000)],
    "tasks_role": [("commands/s", "messages_per_s", ">=", 10000)],
    "open_1000": [("receipt p50 ms", "receipt.p50_ms", "<=", 1), ("receipt p99 ms", "receipt.p99_ms", "<=", 4),
                  ("server CPU share", "server_cpu_share", "<=", 0.25)],
    "open_5000": [("receipt p99 ms", "receipt.p99_ms", "<=", 6), ("server CPU share", "server_cpu_share", "<=", 0.70)],
}
COLD_START_AIM_MS = 1000
# Of a house under strain: (title, scenario, what, how it must compare, aim); "by without": divided by the same of the runs without it.
STRAIN_AIMS = [
    ("10,000 idle: resident bytes a connection", "idle", "server_rss_per_connection_bytes", "<=", 8192),
    ("10,000 idle: server CPU share, with pings", "idle", "server_cpu_share", "<=", 0.01),
    ("presence of 10,000, a tenth changing in 30 s: server CPU share", "presence", "server_cpu_share", "<=", 0.05),
    ("10,000 come back at once: seconds until all caught up", "reconnect", "all_caught_up_seconds", "<=", 5),
    ("queued deliveries to a webhook, each once: deliveries/s", "notifier", "deliveries_per_s", ">=", 3000),
    ("a duty with 500 obligations of 50 patients is handed over: ms", "handoff", "many.commit_ms", "<=", 20),
    ("a watched worklist shows a new task, after the answer to who asked: p99 ms", "worklist_live", "p99_ms", "<=", 20),
    ("a page of a worklist with 100,000 open tasks in the store: p99 µs", "worklist", "list_us.p99", "<=", 10000),
    ("2,000 timers due each second, 1,000,000 in the store: lateness p99 ms", "timers", "lateness_ms.p99", "<=", 1000),
    ("one floods, one never reads: receipt p99 by without", "noisy", "receipt.p99_ms", "<=", 1.05),
    ("backup beside 1,000 messages/s: receipt p99 by without", "backup", "receipt.p99_ms", "<=", 2),
]
LIMITS_AIM_SHARE = 0.03
# Used when the server does not count its transactions; the table then says so.
ASSUMED_BATCH = {"closed_all": 500.0, "closed_one": 100.0, "tasks": 300.0, "tasks_role": 300.0, "open_1000": 1.3, "open_5000": 4.0}
ENTRIES = "careteam_entries_total"
TRANSACTIONS = "careteam_store_transactions_total"


def read(line, path):
    for key in path.split("."):
        line = line.get(key) if isinstance(line, dict) else None
    return line


def median(lines, path):
    values = [value for value in (read(line, path) for line in lines) if value is not None]
    return statistics.median(values) if values else None


def batch_of(line):
    """Messages per transaction, and whether that is known or assumed."""
    metrics = line.get("metrics", {})
    if metrics.get(TRANSACTIONS):
        return max(1.0, metrics[ENTRIES] / metrics[TRANSACTIONS]), True
    return ASSUMED_BATCH.get(line["scenario"], 1.0), False


def floor_arguments(line):
    """The floor's parameters for a result of the server."""
    batch, known = batch_of(line)
    return {"batch": round(batch, 3), "per_room": round(max(1.0, line["entries_per_frame"]), 3), "batch_known": known,
            "tasks": line["target"] if line.get("load") == "tasks" else None}


def number(value, digits=0):
    if value is None:
        return "-"
    return f"{value:,.{digits}f}"


def select(lines, scenario, kind):
    return [line for line in lines if line["scenario"] == scenario and line["kind"] == kind]


def throughput_rows(lines):
    yield ("| load | messages/s | deliveries/s | receipt p50 / p99 / p99.9 ms | answer p50 / p99 ms | batch | server µs/message | "
           "floor µs/message (rows + frames) | by floor | server CPU | generator CPU | its lag p99 ms |")
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for scenario, title in TITLES.items():
        runs, floors = select(lines, scenario, "server"), select(lines, scenario, "floor")
        if not runs:
            continue
        known = all(batch_of(run)[1] for run in runs)
        batch = statistics.median(batch_of(run)[0] for run in runs)
        cpu, floor = median(runs, "server_cpu_us_per_message"), median(floors, "cpu_us_per_message")
        latency = [number(median(runs, f"receipt.{q}"), 2) for q in ("p50_ms", "p99_ms", "p999_ms")]
        answer = [number(median(runs, f"answer.{q}"), 2) for q in ("p50_ms", "p99_ms")]
        lag = median(runs, "schedule_lag.p99_ms") if scenario.startswith("open") else median(runs, "generator_pass.p99_ms")
        parts = " + ".join(number(median(floors, f"{part}_cpu_us_per_message"), 1) for part in ("store", "send"))
        bound = " (generator-bound)" if any(run["generator_bound"] for run in runs) else ""
        yield (f"| {title} | {number(median(runs, 'messages_per_s'))} | {number(median(runs, 'deliveries_per_s'))} | {' / '.join(latency)} | "
               f"{' / '.join(answer)} | {number(batch, 1)}{'' if known else ' (assumed)'} | {number(cpu, 1)} | {number(floor, 1)} ({parts}) | "
               f"{number(cpu / floor if cpu and floor else None, 2)} | {number(100 * (median(runs, 'server_cpu_share') or 0))} % | "
               f"{number(100 * (median(runs, 'generator_cpu_share') or 0))} %{bound} | {number(lag, 2)} |")


def floor_rows(lines):
    yield "| floor of | messages/s | transactions/s |"
    yield "|---|---:|---:|"
    for scenario, title in TITLES.items():
        floors = select(lines, scenario, "floor")
        if floors:
            transactions = statistics.median(line["transactions"] / line["seconds"] for line in floors)
            yield f"| {title} | {number(median(floors, 'messages_per_s'))} | {number(transactions)} |"


def mebibytes(value):
    return None if value is None else value / 2**20


def store_rows(lines):
    cold, memory, fill = (select(lines, "cold_start", kind) for kind in ("welcome", "memory", "fill"))
    if not cold:
        return
    small = select(lines, "open_1000", "server")
    entries = number(fill[0]["committed_in_all"]) if fill else "?"
    yield f"| on a store of {entries} messages | |"
    yield "|---|---:|"
    yield f"| store's file | {number(mebibytes(fill[0].get('store_bytes')) if fill else None)} MiB |"
    yield f"| start to the first Welcome | {number(median(cold, 'welcome_ms'))} ms |"
    yield f"| resident after that Welcome | {number(mebibytes(median(cold, 'server_rss_after_bytes')))} MiB |"
    yield f"| resident with everybody connected, 1,000 messages/s | {number(mebibytes(median(memory, 'server_rss_after_bytes')))} MiB |"
    yield f"| the same on a new store | {number(mebibytes(median(small, 'server_rss_after_bytes')))} MiB |"


def crowd_rows(lines):
    runs = {scenario: select(lines, scenario, "server") for scenario in ("idle", "idle_tls", "presence", "reconnect")}
    if not any(runs.values()):
        return
    yield "| a crowd | connections | resident a connection | server CPU | generator CPU | all there after s | each p50 / p99 s | |"
    yield "|---|---:|---:|---:|---:|---:|---:|---|"
    for scenario, ran in runs.items():
        if not ran:
            continue
        seconds = median(ran, "all_caught_up_seconds" if scenario == "reconnect" else "connect_seconds")
        share = median(ran, "server_cpu_share")
        own = [number(value / 1000 if value is not None else None, 3) for value in (median(ran, f"caught_up.{q}") for q in ("p50_ms", "p99_ms"))]
        note = {"idle": "", "idle_tls": f"{ran[0].get('tls')} {ran[0].get('cipher')}", "presence": f"{number(median(ran, 'changes_per_s'), 1)} changes/s",
                "reconnect": f"{number(median(ran, 'entries_per_member'), 1)} entries each, {number(median(ran, 'retries'))} retries"}[scenario]
        yield (f"| {scenario} | {number(median(ran, 'connections'))} | {number(median(ran, 'server_rss_per_connection_bytes'))} B | "
               f"{number(100 * share, 2) + ' %' if share is not None else '-'} | {number(100 * (median(ran, 'generator_cpu_share') or 0))} % | "
               f"{number(seconds, 2)} | {' / '.join(own) if scenario in ('presence', 'reconnect') else '-'} | {note} |")


def strain_rows(lines):
    runs = [(scenario, kind, select(lines, scenario, kind)) for scenario in ("noisy", "backup") for kind in ("without", "with")]
    if not any(ran for _, _, ran in runs):
        return
    yield "| strain, 1,000 messages/s | receipt p50 / p90 / p99 / p99.9 ms | server CPU | generator CPU | its lag p99 ms | |"
    yield "|---|---:|---:|---:|---:|---|"
    for scenario, kind, ran in runs:
        if not ran:
            continue
        latency = " / ".join(number(median(ran, f"receipt.{q}"), 2) for q in ("p50_ms", "p90_ms", "p99_ms", "p999_ms"))
        note = ""
        if kind == "with" and scenario == "noisy":
            note = f"flood: {number(median(ran, 'flood_committed'))} committed, {number(median(ran, 'flood_refused'))} refused"
        if kind == "with" and scenario == "backup":
            note = f"a copy took {number(median(ran, 'copy_seconds'), 1)} s"
        yield (f"| {scenario}: {kind} | {latency} | {number(100 * (median(ran, 'server_cpu_share') or 0))} % | "
               f"{number(100 * (median(ran, 'generator_cpu_share') or 0))} % | {number(median(ran, 'schedule_lag.p99_ms'), 2)} | {note} |")


def ratio_to_without(lines, scenario, path):
    """The median over the repetitions: a run is compared with the one just before it."""
    without = {line["repetition"]: read(line, path) for line in select(lines, scenario, "without")}
    ratios = [read(line, path) / without[line["repetition"]] for line in select(lines, scenario, "with") if without.get(line["repetition"])]
    return statistics.median(ratios) if ratios else None


def strain_aim_rows(lines):
    for label, scenario, path, how, aim in STRAIN_AIMS:
        if not any(line["scenario"] == scenario for line in lines):
            continue
        value = ratio_to_without(lines, scenario, path) if label.endswith("by without") else median(select(lines, scenario, "server"), path)
        yield aim_row(label, value, how, aim)
    timers = select(lines, "timers", "server")
    for done, words in (("arm", "armed"), ("cancel", "cancelled")) if timers else ():
        for hosts in (16, 256):
            share = median(timers, f"commit_{done}_{hosts}.over_commit")
            yield aim_row(f"a timer is {words}, {hosts} hosts: CPU over the commit alone, %", 100 * share, "<=", 10)
    cost = median(select(lines, "limits", "cost"), "ns_per_command")
    message = median(select(lines, "closed_all", "server"), "server_cpu_us_per_message")
    if cost is not None and message:
        yield aim_row(f"the limits' part of a message ({number(cost)} ns of {number(message, 1)} µs)", cost / 1000 / message, "<=", LIMITS_AIM_SHARE)


def aim_rows(lines):
    yield "| aim | reached | |"
    yield "|---|---:|---|"
    for scenario, aims in AIMS.items():
        runs, floors = select(lines, scenario, "server"), select(lines, scenario, "floor")
        if not runs:
            continue
        for label, path, how, aim in aims:
            if path == "cpu_by_floor":
                cpu, floor = median(runs, "server_cpu_us_per_message"), median(floors, "cpu_us_per_message")
                value = cpu / floor if cpu and floor else None
            else:
                value = median(runs, path)
            yield aim_row(f"{TITLES[scenario]}: {label}", value, how, aim)
    cold = select(lines, "cold_start", "welcome")
    if cold:
        yield aim_row("cold start to the first Welcome, ms", median(cold, "welcome_ms"), "<=", COLD_START_AIM_MS)
    yield from strain_aim_rows(lines)


def aim_row(label, value, how, aim):
    met = value is not None and (value >= aim if how == ">=" else value <= aim)
    digits = 0 if aim >= 100 else 2 if aim >= 0.1 else 4
    return f"| {label} {how} {aim:,} | {number(value, digits)} | {'yes' if met else '**no**'} |"


def table(lines):
    machine = next((line for line in lines if line["kind"] == "machine"), {})
    yield f"{machine.get('cpu', '?')}, {machine.get('cores', '?')} cores, Linux {machine.get('kernel', '?')}, load average {machine.get('load_average', '?')} at the start; medians of {machine.get('repetitions', '?')}."
    failures = [line for line in lines if line["kind"] == "failure"]
    for failure in failures:
        yield f"**Failed:** {failure['scenario']} repetition {failure['repetition']}: exit code {failure['exit_code']}"
    for rows in (throughput_rows, floor_rows, store_rows, crowd_rows, strain_rows, aim_rows):
        yield ""
        yield from rows(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    tag = commands.add_parser("tag", help="add what a result belongs to, from standard input to standard output")
    tag.add_argument("fields", nargs="+", help="name=value; values are JSON where they can be")
    commands.add_parser("floor", help="print the floor's arguments for the server's result on standard input")
    show = commands.add_parser("table", help="print the tables as Markdown")
    show.add_argument("file", type=pathlib.Path)
    options = parser.parse_args()
    if options.command == "table":
        lines = [json.loads(line) for line in options.file.read_text().splitlines()]
        print("\n".join(table(lines)))
        return
    result = json.load(sys.stdin)
    if options.command == "floor":
        arguments = floor_arguments(result)
        tasks = f" --tasks {arguments['tasks']}" if arguments["tasks"] else ""
        print(f"--batch {arguments['batch']} --per-room {arguments['per_room']}{tasks}")
        return
    for field in options.fields:
        name, _, value = field.partition("=")
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    print(json.dumps(result))


if __name__ == "__main__":
    main()
