"""The rows of bench/README.md: for each what is run, beside what, and what the figures should be."""
import statistics

from . import svg
from .lab import Check, crossing

BARE, TWO = "rankpool", "rankpool, mpirun -n 2"


class Row:
    def __init__(self, title):
        self.title, self.checks, self.curves, self.plots, self.runs = title, [], {}, {}, []

    def keep(self, runs):
        self.runs.append(runs.reports)
        return runs

    def faster(self, runs, ours, rival, key="seconds", **bar):
        self.checks.append(Check(f"{ours}: times as fast as {rival}", runs.times_faster(ours, rival, key), "×", **bar))

    def figure(self, runs, name, key, what, unit="", scale=1.0, **bar):
        values = [scale * value for value in runs.values(name, key)]
        self.checks.append(Check(f"{name}: {what}", values, unit, **bar))


def no_op_chunk_1(lab):
    row = Row("no-op `long -> long`, chunksize 1, under `mpirun -n 2`")
    n = lab.size(200_000, 5_000)
    one, four, unbound = "plain MPI, one in flight", "plain MPI, four in flight", "rankpool, mpirun --bind-to none -n 2"
    runs = row.keep(lab.interleave({
        TWO: lab.mpirun(2, "bench_map_rate", n=n, chunk=1),
        unbound: lab.mpirun(2, "bench_map_rate", "--bind-to", "none", n=n, chunk=1),
        one: lab.mpirun(2, "rival_mpi_master_worker", n=n, chunk=1, flight=1),
        four: lab.mpirun(2, "rival_mpi_master_worker", n=n, chunk=1, flight=4),
        "Pool.map": lab.pool("pool-map", n=lab.size(20_000, 2_000), chunk=1),
        "mpi4py.futures": lab.mpi4py("mpi4py-map", n=lab.size(3_000, 300), chunk=1)}))
    for ours in (TWO, unbound):
        row.figure(runs, ours, "items_per_s", "thousand tasks a second", scale=1e-3)
    for rival, bar in ((one, 1.0), (four, 0.4), ("Pool.map", 15), ("mpi4py.futures", 100)):
        row.faster(runs, TWO, rival, "items_per_s", at_least=bar)
    return row


def no_op_default_chunks(lab):
    row = Row("no-op `long -> long`, default chunks, a million items")
    n = lab.size(1_000_000, 100_000)
    plain = "plain MPI, chunks of 100"
    runs = row.keep(lab.interleave({
        BARE: lab.bare("bench_map_rate", n=n),
        TWO: lab.mpirun(2, "bench_map_rate", n=n),
        plain: lab.mpirun(2, "rival_mpi_master_worker", n=n, chunk=100, flight=1),
        "Pool.map": lab.pool("pool-map", n=n, chunk=0),
        "oneTBB, threads": lab.bare("rival_tbb_map", n=n)}))
    for ours in (BARE, TWO):
        row.figure(runs, ours, "items_per_s", "million items a second", scale=1e-6)
        row.faster(runs, ours, plain, "items_per_s", at_least=0.5)
        row.faster(runs, ours, "Pool.map", "items_per_s", at_least=10)
        row.faster(runs, ours, "oneTBB, threads", "items_per_s")
    curves = {}
    for chunk in (1, 100, 10_000) if lab.quick else (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000):
        items = min(n, 20_000 * chunk)
        sweep = row.keep(lab.interleave({
            BARE: lab.bare("bench_map_rate", n=items, chunk=chunk),
            TWO: lab.mpirun(2, "bench_map_rate", n=items, chunk=chunk),
            "plain MPI, one in flight": lab.mpirun(2, "rival_mpi_master_worker", n=items, chunk=chunk, flight=1),
            "plain MPI, four in flight": lab.mpirun(2, "rival_mpi_master_worker", n=items, chunk=chunk, flight=4),
            "Pool.map": lab.pool("pool-map", n=min(items, 200_000), chunk=chunk),
            "oneTBB, threads": lab.bare("rival_tbb_map", n=items, chunk=chunk)}, pairs=min(3, lab.pairs)))
        for name in sweep.reports:
            curves.setdefault(name, []).append((chunk, sweep.median(name, "items_per_s")))
    row.curves["items a second over chunk size"] = curves
    row.plots["chunks.svg"] = svg.chart("No-op long → long: items a second over chunk size", "items in a chunk",
                                        "items a second", curves)
    return row


def round_trip(lab):
    row = Row("submit then result, one at a time")
    n = lab.size(20_000, 1_000)
    runs = row.keep(lab.interleave({
        BARE: lab.bare("bench_round_trip", n=n),
        TWO: lab.mpirun(2, "bench_round_trip", n=n),
        "ProcessPoolExecutor": lab.pool("executor-round-trip", n=lab.size(3_000, 300)),
        "mpi4py.futures": lab.mpi4py("mpi4py-round-trip", n=lab.size(1_000, 100))}))
    row.figure(runs, BARE, "seconds", "p50", " µs", 1e6, at_most=3)
    row.figure(runs, BARE, "seconds_p99", "p99", " µs", 1e6, at_most=15)
    row.figure(runs, TWO, "seconds", "p50", " µs", 1e6)
    row.faster(runs, BARE, "ProcessPoolExecutor", at_least=5)
    row.faster(runs, BARE, "mpi4py.futures", at_least=10)
    curves = {}
    for name in runs.reports:
        quantiles = [statistics.median(of_all) for of_all in zip(*runs.values(name, "seconds_quantiles"))]
        curves[name] = [(seconds, part / 100) for part, seconds in enumerate(quantiles[:100])]
    row.curves["latency"] = curves
    row.plots["latency.svg"] = svg.chart("submit then result: how many come back within", "seconds from submit to result",
                                         "part of the tasks", curves, y_log=False, x_unit=svg.seconds, y_unit=svg.percent,
                                         y_low=0, y_high=1, marks=False)
    return row


def shortest_task(lab):
    row = Row("shortest task at 50 % and 95 % efficiency, chunksize 1, against the same loop in bound processes")
    lengths = (1e-6, 1e-5, 1e-4) if lab.quick else (5e-7, 1e-6, 2e-6, 3e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4)
    plain = "plain MPI, four in flight"
    curves, rates = {BARE: [], TWO: [], plain: []}, {}
    for length in lengths:
        work = {"n": max(200, int(lab.size(0.2, 0.02) * lab.cores / length)), "iterations": lab.iterations(length)}
        runs = row.keep(lab.interleave({
            "ideal": lab.bare("rival_bound_loop", **work),
            BARE: lab.bare("bench_busy", chunk=1, **work),
            TWO: lab.mpirun(2, "bench_busy", chunk=1, **work),
            # A master that hands out does not compute: it needs one rank more for as many workers.
            plain: lab.mpirun(lab.cores + 1, "rival_mpi_master_worker", chunk=1, flight=4, rounds=1, **work)}))
        for name in curves:
            if name not in runs.reports:
                continue
            efficiency = [ideal / mine for ideal, mine in zip(runs.values("ideal", "seconds"), runs.values(name, "seconds"))]
            curves[name].append((length, efficiency))
        for name in runs.reports:
            rates.setdefault(name, []).append((length, work["n"] / runs.median(name, "seconds")))
    medians = {name: [(x, statistics.median(y)) for x, y in points] for name, points in curves.items()}
    for ours in (BARE, TWO):
        # Of the medians at each length: in a single turn one length that was disturbed would hide all shorter ones.
        for target, bar in ((0.5, 5), (0.95, 50 if ours == BARE else 100)):
            shortest = [1e6 * crossing(medians[ours], target)] if medians[ours] else []
            row.checks.append(Check(f"{ours}: shortest task at {100 * target:.0f} %", shortest, " µs", at_most=bar))
        for length, efficiency in curves[ours]:
            if length in (1e-6, 1e-5, 1e-4):
                bar = {1e-5: 0.93, 1e-4: 0.95}.get(length) if ours == TWO else None
                row.checks.append(Check(f"{ours}: efficiency at {1e6 * length:.0f} µs", efficiency, at_least=bar))
    row.curves["efficiency over task length"], row.curves["tasks a second over task length"] = medians, rates
    row.plots["efficiency.svg"] = svg.chart("Chunksize 1: efficiency over task length", "length of a task", "efficiency",
                                            medians, y_log=False, x_unit=svg.seconds, y_unit=svg.percent, y_low=0, y_high=1)
    row.plots["tasks.svg"] = svg.chart("Chunksize 1: tasks a second over task length", "length of a task",
                                       "tasks a second", rates, x_unit=svg.seconds)
    return row


def payload(lab):
    row = Row("`vector<double>` there and back: as users write it, `T f(const T&)` of an lvalue, and by value and moved")
    own, other = "own worker", "another rank"
    own_moved, other_moved = "own worker, moved", "another rank, moved"

    def both_ways(size, pairs):
        rounds = 9 if size < 1 << 24 else 3
        return row.keep(lab.interleave({
            own: lab.bare("bench_payload", bytes=size, rounds=rounds),
            own_moved: lab.bare("bench_payload", bytes=size, rounds=rounds, moved=1),
            other: lab.mpirun(2, "bench_payload", bytes=size, rounds=rounds, rank=1),
            other_moved: lab.mpirun(2, "bench_payload", bytes=size, rounds=rounds, rank=1, moved=1),
            "plain MPI": lab.mpirun(2, "rival_mpi_echo", bytes=size, rounds=rounds),
            "Boost.MPI": lab.mpirun(2, "rival_boost_mpi", bytes=size, rounds=rounds)}, pairs))

    curves = {}
    for size, name in ((1 << 20, "1 MiB"), (1 << 26, "64 MiB")):
        runs = both_ways(size, lab.pairs)
        bars = {own: (0.6, 5), other: (0.5, 5)} if name == "1 MiB" else {own: (1.0, 4), other: (0.9, 4)}
        for where in (own, other, own_moved, other_moved):
            for rival, bar in zip(("plain MPI", "Boost.MPI"), bars.get(where, (0.5, 3))):
                speed = runs.times_faster(where, rival)
                row.checks.append(Check(f"{name}, {where}: times as fast as {rival}", speed, "×", at_least=bar))
            growth = runs.values(where, "peak_growth_over_payload")
            row.checks.append(Check(f"{name}, {where}: rank 0's peak beside the input, in payloads", growth, at_most=3.2))
        _collect(curves, size, runs)
    for size in () if lab.quick else (64, 1 << 10, 1 << 14, 1 << 17, 1 << 23):
        _collect(curves, size, both_ways(size, min(3, lab.pairs)))
    row.curves["bytes a second over payload"] = curves
    row.plots["payload.svg"] = svg.chart("vector<double> there and back: bytes a second each way", "bytes",
                                         "bytes a second", curves, x_unit=svg.octets, y_unit=svg.octets)
    return row


def _collect(curves, size, runs):
    for name in runs.reports:
        curves.setdefault(name, []).append((size, 2 * size / runs.median(name, "seconds")))


def values(lab):
    row = Row("`vector<string>` of 1000, and a struct with a map, there and back")
    for what, name in (("strings", "1000 strings"), ("record", "a struct with a map")):
        rounds = lab.size(2_000, 100)
        runs = row.keep(lab.interleave({
            "own worker": lab.bare("bench_values", what=what, rounds=rounds),
            "another rank": lab.mpirun(2, "bench_values", what=what, rounds=rounds, rank=1),
            "Boost.MPI": lab.mpirun(2, "rival_boost_mpi", what=what, rounds=rounds)}))
        for where in ("own worker", "another rank"):
            row.figure(runs, where, "seconds", f"{name}, p50", " µs", 1e6)
            bar = 0.8 if what == "record" and where == "another rank" else 1.0
            speed = runs.times_faster(where, "Boost.MPI")
            row.checks.append(Check(f"{where}: {name}, times as fast as Boost.MPI", speed, "×", at_least=bar))
    return row


def long_tasks(lab):
    row = Row("tasks of 1 and 10 ms on all cores")
    total = lab.size(2.0, 0.2)
    for length, share in ((1e-3, 4), (1e-2, 1.5)):
        work = {"n": int(total * lab.cores / length), "iterations": lab.iterations(length)}
        runs = row.keep(lab.interleave({
            "ideal": lab.bare("rival_bound_loop", **work),
            BARE: lab.bare("bench_busy", **work),
            TWO: lab.mpirun(2, "bench_busy", **work)}))
        for ours in (BARE, TWO):
            name = f"{ours}: {1e3 * length:.0f} ms"
            row.checks.append(Check(f"{name}, part of the ideal", runs.times_faster(ours, "ideal"), at_least=0.95))
            used = [100 * value for value in runs.values(ours, "library_share_of_core")]
            row.checks.append(Check(f"{name}, engine, agents and keepers", used, " % of a core", at_most=share))
    curves = _efficiency_over_workers(lab, row)
    row.curves["efficiency over workers"] = curves
    row.plots["workers.svg"] = svg.chart("Efficiency over workers", "workers", "efficiency", curves, y_log=False,
                                         y_unit=svg.percent, y_low=0, y_high=1)
    return row


def _efficiency_over_workers(lab, row):
    """Computing tasks up to the cores that there are; waiting ones, which need no core, beyond."""
    curves = {}
    for workers in range(1, lab.cores + 1):
        for length in (1e-4, 1e-3, 1e-2):
            work = {"n": int(lab.size(1.0, 0.1) * workers / length), "iterations": lab.iterations(length), "workers": workers}
            runs = row.keep(lab.interleave({"ideal": lab.bare("rival_bound_loop", **work),
                                            BARE: lab.bare("bench_busy", **work)}, min(3, lab.pairs)))
            point = (workers, statistics.median(runs.times_faster(BARE, "ideal")))
            curves.setdefault(f"computing {svg.seconds(length)}", []).append(point)
    for workers in (1, 4, 16) if lab.quick else (1, 2, 4, 8, 16, 32, 64):
        for microseconds in (10_000, 100_000):
            n = lab.size(50, 5) * workers * (2 if microseconds == 10_000 else 1)
            runs = row.keep(lab.interleave({BARE: lab.bare("bench_busy", n=n, sleep_us=microseconds, workers=workers)}, 1))
            ideal = n * microseconds * 1e-6 / workers
            point = (workers, ideal / runs.median(BARE, "seconds"))
            curves.setdefault(f"waiting {svg.seconds(microseconds * 1e-6)}", []).append(point)
    return curves


def skewed_tasks(lab):
    row = Row("skewed tasks (mean 1 ms, 80 % of 0.1 ms, 20 % of 4.6 ms), default chunks, best of 3")
    work = {"n": lab.size(2_000, 200), "iterations": lab.iterations(1e-3)}
    for order in ("sorted", "reversed", "random"):
        runs = row.keep(lab.interleave({
            "ideal": lab.bare("rival_bound_loop", **work),
            BARE: lab.bare("bench_busy", skew=order, **work),
            TWO: lab.mpirun(2, "bench_busy", skew=order, **work)}, 1 if lab.quick else 3))
        for ours in (BARE, TWO):
            makespan = runs.values(ours, "seconds")
            best = [min(makespan) / min(runs.values("ideal", "seconds"))] if makespan else []
            row.checks.append(Check(f"{ours}: {order}, makespan over the least possible", best, at_most=1.03 if order == "random" else 1.05))
    return row


def idle(lab):
    row = Row("idle for 10 s")
    options = {"seconds": lab.size(10, 1), "rounds": lab.size(100, 20)}
    four = "rankpool, mpirun -n 4"
    runs = row.keep(lab.interleave({BARE: lab.bare("bench_idle", **options),
                                    four: lab.mpirun(4, "bench_idle", **options)}, 1 if lab.quick else min(3, lab.pairs)))
    for ours in (BARE, four):
        row.figure(runs, ours, "share_of_core", "all processes together", " % of a core", 100, at_most=1)
        wakes = runs.values(ours, "futex_wake_s")
        allowed = max(100, 2.5e6 * statistics.median(wakes)) if wakes else 100
        row.figure(runs, ours, "futex_wake_s", "a bare futex wake of a rested core", " µs", 1e6)
        row.figure(runs, ours, "task_start_s", "the next task starts within", " µs", 1e6, at_most=allowed)
    return row


def start(lab):
    row = Row("from the start of the program")
    runs = row.keep(lab.interleave({
        BARE: lab.bare("bench_first_result"),
        TWO: lab.mpirun(2, "bench_first_result"),
        "MPI_Init and MPI_Finalize": lab.mpirun(2, "rival_mpi_init_finalize")}))
    row.figure(runs, BARE, "seconds", "first result after", " ms", 1e3, at_most=10)
    row.figure(runs, TWO, "wall_s", "whole run", " ms", 1e3)
    slower = [1 / speed for speed in runs.times_faster(TWO, "MPI_Init and MPI_Finalize", "wall_s")]
    row.checks.append(Check("mpirun -n 2: whole run over that of MPI_Init and MPI_Finalize", slower, "×", at_most=1.1))
    return row


def memory(lab):
    row = Row("memory of rank 0")
    runs = row.keep(lab.interleave({
        "pending futures": lab.bare("bench_pending", n=lab.size(1_000_000, 100_000)),
        "map": lab.bare("bench_map_rate", n=lab.size(10_000_000, 1_000_000), rounds=0),
        "map, mpirun -n 2": lab.mpirun(2, "bench_map_rate", n=lab.size(10_000_000, 1_000_000), rounds=0)},
        1 if lab.quick else min(3, lab.pairs)))
    row.figure(runs, "pending futures", "bytes_each", "bytes each, handle included", at_most=300)
    for name in ("map", "map, mpirun -n 2"):
        row.figure(runs, name, "peak_growth_over_data", "peak growth over the data, result included", "×", at_most=3)
    return row


def many_ranks(lab):
    row = Row("64 ranks on this machine, 100 000 tasks")
    n = lab.size(100_000, 10_000)
    for chunk, name in ((1, "chunksize 1"), (0, "default chunks")):
        runs = row.keep(lab.interleave({
            "64 ranks": lab.mpirun(64, "bench_map_rate", n=n, chunk=chunk, rounds=9),
            "4 ranks": lab.mpirun(4, "bench_map_rate", n=n, chunk=chunk, rounds=9)}, 1 if lab.quick else min(3, lab.pairs)))
        row.figure(runs, "64 ranks", "items_per_s", f"{name}, thousand tasks a second", scale=1e-3)
        row.figure(runs, "64 ranks", "rank0_peak_bytes", f"{name}, rank 0", " MB", 1e-6, at_most=200)
        cost = runs.times_faster("4 ranks", "64 ranks", "items_per_s")
        row.checks.append(Check(f"64 ranks: {name}, cost of a task over that with 4 ranks", cost, "×", at_most=1.5))
    return row


def commands(lab):
    row = Row("shell commands: `true`, two at a time")
    n = lab.size(20_000, 500)
    ours, loop, xargs, gnu = "rankpool-parallel", "a loop of posix_spawn", "xargs -P2", "GNU parallel"
    runs = row.keep(lab.interleave({
        ours: lab.commands("ours", n), loop: lab.commands("loop", n), xargs: lab.commands("xargs", n),
        gnu: lab.commands("gnu", n)}))
    more = [a - b for a, b in zip(runs.values(ours, "wall_s"), runs.values(loop, "wall_s"))]
    row.checks.append(Check(f"{ours}: more than the loop, a command", [1000 * s / n for s in more], " ms", at_most=0.1))
    for rival, bar in ((xargs, 1.1), (gnu, 3.5)):
        row.faster(runs, ours, rival, "wall_s", at_least=bar)
    first = row.keep(lab.interleave({ours: lab.commands("ours", 1), gnu: lab.commands("gnu", 1)}))
    row.figure(first, ours, "wall_s", "one command, start and end", " ms", 1e3, at_most=30)
    row.figure(first, gnu, "wall_s", "one command, start and end", " ms", 1e3)
    return row


def watching(lab):
    row = Row("tasks of 10 µs: nobody watches, a trace, a trace and progress")
    n = lab.size(400_000, 20_000)
    off, trace, all_of_it = "nobody watches", "trace", "trace and progress"
    file = lab.build / "bench-trace.json.gz"
    runs = row.keep(lab.interleave({
        off: lab.bare("bench_watching", n=n, us=10),
        trace: lab.bare("bench_watching", n=n, us=10, trace=file),
        all_of_it: lab.bare("bench_watching", n=n, us=10, trace=file, progress=1)}))
    for watched in (trace, all_of_it):
        row.faster(runs, watched, off, "items_per_s", at_least=0.97)
    row.figure(runs, all_of_it, "trace_bytes_per_item", "bytes of the trace for each task", at_most=20)
    return row


def small_maps(lab):
    row = Row("small maps, `map` and `to_vector`")
    work = {"n": 16, "iterations": lab.iterations(190e-6), "rounds": lab.size(200, 20)}
    runs = row.keep(lab.interleave({BARE: lab.bare("bench_small_maps", **work), TWO: lab.mpirun(2, "bench_small_maps", **work)}))
    for ours, bar in ((BARE, 1.08), (TWO, 1.12)):
        row.figure(runs, ours, "over_ideal", "16 tasks of 190 µs, over the ideal", at_most=bar)
    noop = {"n": lab.cores, "iterations": 0, "rest-us": 0, "rounds": lab.size(5_000, 200)}
    runs = row.keep(lab.interleave({BARE: lab.bare("bench_small_maps", **noop), TWO: lab.mpirun(2, "bench_small_maps", **noop)}))
    row.figure(runs, BARE, "seconds", "one no-op for each worker, p50", " µs", 1e6, at_most=10)
    row.figure(runs, TWO, "seconds", "one no-op for each worker, p50", " µs", 1e6)
    return row


def locked(lab):
    row = Row("400,000 locked increments of one `Value` by four workers")
    n = lab.size(400_000, 4_000)
    four = "rankpool, mpirun -n 4"
    runs = row.keep(lab.interleave({BARE: lab.bare("bench_locked", n=n), TWO: lab.mpirun(2, "bench_locked", n=n),
                                    four: lab.mpirun(4, "bench_locked", n=n)}, 1 if lab.quick else min(3, lab.pairs)))
    row.figure(runs, BARE, "seconds", "all of them", " s")
    for ours in (TWO, four):
        row.figure(runs, ours, "seconds", "all of them", " s", at_most=5)
    return row


def large_results(lab):
    row = Row("200 structs of 2 MiB as results; 200 vectors of 2 MiB as arguments, by `map` and by `submit`")
    work = {"n": lab.size(200, 20), "rounds": lab.size(3, 1)}
    three, mapped, moved = "rankpool, mpirun -n 3", "`map` over an lvalue", "`submit(f, std::move(v))`"
    results = row.keep(lab.interleave({BARE: lab.bare("bench_large_results", way="results", **work),
                                       three: lab.mpirun(3, "bench_large_results", way="results", **work)}))
    arguments = row.keep(lab.interleave({mapped: lab.bare("bench_large_results", way="map", **work),
                                         moved: lab.bare("bench_large_results", way="submit", **work)}))
    for runs, ours, beside in ((results, three, BARE), (arguments, mapped, moved)):
        for name in (ours, beside):
            row.figure(runs, name, "ms_each", "each", " ms")
        for key, when in (("seconds", "time"), ("first_seconds", "time of the first round")):
            longer = [1 / speed for speed in runs.times_faster(ours, beside, key)]
            row.checks.append(Check(f"{ours}: {when} over that of {beside}", longer, "×", at_most=1.5))
        row.figure(runs, ours, "peak_growth_in_values", "the most that rank 0's memory grew, in values")
    return row


def mpi_inside(lab):
    row = Row("tasks of two ranks that return the size of their world; map on a CommExecutor")
    n = lab.size(20, 3)
    one, two, loop = "one at a time", "places for two", "mpirun -n 2 in a loop"
    runs = row.keep(lab.interleave({
        one: lab.bare("bench_groups", n=n, workers=2), two: lab.bare("bench_groups", n=n, workers=4),
        loop: lab.mpirun(2, "rival_mpi_world_size")}))
    for reports in runs.reports.get(loop, []):
        reports["seconds"] = reports["wall_s"]
    for ours in (one, two):
        row.figure(runs, ours, "seconds", "a task", " ms", 1e3, **({"at_most": 100} if ours == one else {}))
    row.figure(runs, loop, "seconds", "a run", " ms", 1e3)
    row.faster(runs, one, loop, at_least=1.0)
    row.faster(runs, two, loop, at_least=1.5)
    for chunk, what in ((0, "default chunks"), (1, "chunks of one")):
        work = {"n": lab.size(2_000_000 if chunk == 0 else 200_000, 20_000), "chunk": chunk}
        comm, under_run = f"CommExecutor, {what}", f"run, {what}"
        maps = row.keep(lab.interleave({comm: lab.mpirun(2, "bench_comm_map", way="comm", **work),
                                        under_run: lab.mpirun(2, "bench_comm_map", way="run", **work)}))
        row.faster(maps, comm, under_run, "items_per_s", at_least=0.95)
    return row


ROWS = {1: no_op_chunk_1, 2: no_op_default_chunks, 3: round_trip, 4: shortest_task, 5: payload, 6: values, 7: long_tasks,
        8: skewed_tasks, 9: idle, 10: start, 11: memory, 12: many_ranks,
        13: commands, 14: watching, 15: small_maps, 16: mpi_inside, 17: locked, 18: large_results}
