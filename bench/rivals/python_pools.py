"""Python's pools, measured as bench/run measures rankpool's; one line of JSON.

    python_pools.py pool-map|executor-map|mpi4py-map [--n=N] [--chunk=C]   items a second
    python_pools.py executor-round-trip|mpi4py-round-trip [--n=N]                seconds

The mpi4py ones run under mpirun as `python3 -m mpi4py.futures python_pools.py ...`.
"""
import json
import sys
import time


def identity(x):
    return x


def option(name, otherwise):
    for argument in sys.argv[1:]:
        if argument.startswith(f"--{name}="):
            return int(argument.split("=", 1)[1])
    return otherwise


def rate(n, run):
    items = list(range(n))
    run(items[:100])
    begin = time.perf_counter()
    results = run(items)
    seconds = time.perf_counter() - begin
    assert results == items
    return {"seconds": seconds, "items_per_s": n / seconds}


def round_trips(n, executor):
    times = []
    for i in range(n):
        begin = time.perf_counter()
        assert executor.submit(identity, i).result() == i
        times.append(time.perf_counter() - begin)
    times.sort()
    at = lambda part: times[int(part * (len(times) - 1))]
    return {"seconds": at(0.5), "seconds_best": times[0], "seconds_p99": at(0.99),
            "seconds_quantiles": [at(percent / 100) for percent in range(101)]}


def main():
    what = sys.argv[1]
    n, chunk = option("n", 10000), option("chunk", 1)
    if what == "pool-map":
        import multiprocessing
        with multiprocessing.Pool() as pool:
            report = rate(n, lambda items: pool.map(identity, items, chunk or None))
    else:
        if what.startswith("mpi4py"):
            from mpi4py.futures import MPIPoolExecutor as Executor
        else:
            from concurrent.futures import ProcessPoolExecutor as Executor
        with Executor() as executor:
            if what.endswith("round-trip"):
                round_trips(min(n, 100), executor)
                report = round_trips(n, executor)
            else:
                report = rate(n, lambda items: list(executor.map(identity, items, chunksize=chunk or 1)))
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
