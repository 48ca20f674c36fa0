#!/usr/bin/env python3
"""check_trace.py FILE [--tasks N] [--workers N] [--lost N] [--memory FROM TO] [--complete] [--exact]: whether a trace keeps the rules by which
Perfetto and chrome://tracing read the trace-event format.

Perfetto's parser needs a network to be had; these are its rules, from its sources and the format's description: one JSON
array; ph, pid, tid, ts, dur of their types; pids and tids are integers, and not 0, which both take for the idle
process; X events of a thread nest or follow each other; counters have numbers; metadata events have a known shape.
"""
import argparse
import gzip
import json
from collections import defaultdict

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--tasks", type=int)
parser.add_argument("--workers", type=int)
parser.add_argument("--lost", type=int)
parser.add_argument("--parts", type=int, help="runs of other ranks than the first of tasks of several")
parser.add_argument("--memory", type=float, nargs=2, help="in MB: the largest peak of a worker is between these, and no other's is")
parser.add_argument("--complete", action="store_true")
parser.add_argument("--exact", action="store_true", help="every run's times are of its worker's own clock")
given = parser.parse_args()


def check(holds, what):
    if not holds:
        raise SystemExit(f"{given.file}: {what}")


with (gzip.open if given.file.endswith(".gz") else open)(given.file, "rt", encoding="utf-8") as file:
    events = json.load(file)
check(isinstance(events, list) and events, "not an array of events")

threads = defaultdict(list)
named = set()
parts = []
peaks = {}
lost = 0
end = None
for event in events:
    phase = event["ph"]
    check(phase in ("X", "M", "C", "i"), f"unknown phase: {event}")
    check(type(event["pid"]) is int and event["pid"] > 0, f"pid: {event}")
    check(isinstance(event["name"], str) and event["name"], f"name: {event}")
    check(isinstance(event["args"], dict), f"args: {event}")
    if phase != "M":
        check(type(event["ts"]) in (int, float) and event["ts"] >= 0, f"ts: {event}")
    if phase == "X":
        check(type(event["tid"]) is int and event["tid"] > 0, f"tid: {event}")
        check(type(event["dur"]) in (int, float) and event["dur"] >= 0, f"dur: {event}")
        if event["cat"] == "rank":  # another rank than the first of a task of several
            check({"number", "rank"} <= set(event["args"]) and event["args"]["rank"] > 0, f"args: {event}")
            parts.append(event)
            threads[event["pid"], event["tid"]].append((round(event["ts"] * 1000), round(event["dur"] * 1000), event))
            continue
        check(event["cat"] in ("done", "error", "lost", "timed out", "broken", "terminated"), f"cat: {event}")
        check({"number", "attempt", "bytes_in", "bytes_out"} <= set(event["args"]), f"args: {event}")
        # In nanoseconds, as Perfetto takes them; sums of floating-point microseconds would be off.
        threads[event["pid"], event["tid"]].append((round(event["ts"] * 1000), round(event["dur"] * 1000), event))
    elif phase == "C":
        check(all(type(value) in (int, float) for value in event["args"].values()), f"counter: {event}")
        if event.get("cat") == "peak":  # of a worker's memory, which never falls
            thread, peak = (event["pid"], event["tid"]), event["args"]["value"] / 1e6
            check(peak > peaks.get(thread, 0), f"a peak that falls: {event}")
            peaks[thread] = peak
    elif phase == "i":
        check(event["s"] in ("t", "p", "g"), f"scope: {event}")
        lost += event["name"] == "worker lost"
    elif event["name"] == "thread_name":
        named.add((event["pid"], event["tid"]))
    elif event["name"] == "rankpool_end":
        end = event["args"]

tasks = set()
for thread, runs in threads.items():
    check(thread in named, f"a thread without a name: {thread}")
    open_until = []
    for begin, length, event in sorted(runs, key=lambda run: (run[0], -run[1])):
        while open_until and open_until[-1] <= begin:
            open_until.pop()
        check(not open_until or begin + length <= open_until[-1], f"overlaps another of its thread: {event}")
        open_until.append(begin + length)
        if event["cat"] == "rank":
            continue
        check(event["name"] != "task", f"a run without its name: {event}")
        key = (event["name"], event["args"]["number"], event["args"]["attempt"])
        check(key not in tasks, f"twice: {event}")
        tasks.add(key)
        check(not given.exact or not event["args"].get("estimated"), f"estimated: {event}")
check(end is not None, "no end")
check(end["dropped"] == 0, f"dropped: {end}")
for wanted, found, what in ((given.tasks, len(tasks), "tasks"), (given.workers, len(threads), "workers"), (given.lost, lost, "losses"), (given.parts, len(parts), "parts of tasks of several ranks")):
    check(wanted is None or wanted == found, f"{found} {what}, not {wanted}")
check(not given.complete or end["complete"], "not complete")
check(set(threads) - set(peaks) == set() or lost, f"no memory of {set(threads) - set(peaks)}")
if given.memory:
    low, high = given.memory
    check(sum(low <= peak <= high for peak in peaks.values()) == 1 and max(peaks.values()) <= high, f"peaks in MB: {peaks}")
print(f"{len(events)} events, {len(tasks)} runs on {len(threads)} workers: as the format wants it")
