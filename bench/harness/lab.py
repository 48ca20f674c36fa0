"""Starts the programs, interleaved, and turns their lines of JSON into medians of paired ratios."""
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


class Command:
    """What is started: an argument list and how long it may take."""

    def __init__(self, argv, env=None, seconds=120):
        self.argv = ["timeout", "-k", "5", str(seconds)] + [str(part) for part in argv]
        self.env = env or {}

    def run(self):
        """The program's report, with the wall time of the whole run beside it, or None if it failed twice: about one
        mpirun in a hundred does not come up, whatever it is to start."""
        for attempt in (1, 2):
            begin = time.perf_counter()
            done = subprocess.run(self.argv, env={**os.environ, **self.env}, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True)
            wall = time.perf_counter() - begin
            lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
            if done.returncode == 0:
                return {**(json.loads(lines[-1]) if lines else {}), "wall_s": wall}
            print(f"  failed ({done.returncode}): {' '.join(self.argv)}\n{done.stderr[-2000:]}", file=sys.stderr)
        return None


class Lab:
    def __init__(self, build, pairs, quick):
        self.build, self.pairs, self.quick = Path(build).resolve(), pairs, quick
        self.cores = len(os.sched_getaffinity(0))
        self.python = self._find_python()
        self.iteration_s = self._calibrate()

    # -- what can be started; None where it is not installed

    def bare(self, program, **options):
        path = self.build / "bench" / program
        return Command([path] + _arguments(options)) if path.exists() else None

    def mpirun(self, ranks, program, *flags, **options):
        path = self.build / "bench" / program
        return self._mpirun(ranks, [*flags, path] + _arguments(options)) if path.exists() else None

    def pool(self, what, **options):
        """multiprocessing.Pool and concurrent.futures."""
        return Command([sys.executable, HERE / "rivals/python_pools.py", what] + _arguments(options))

    def mpi4py(self, what, **options):
        if self.python is None:
            return None
        script = [self.python, "-m", "mpi4py.futures", HERE / "rivals/python_pools.py", what]
        return self._mpirun(2, script + _arguments(options))

    def commands(self, what, n):
        """`true`, n times, two at a time."""
        programs = {"ours": f"{self.build}/src/parallel/rankpool-parallel -j2 true", "xargs": "xargs -P2 -n1 true",
                    "gnu": "parallel --will-cite -j2 true", "loop": f"{self.build}/bench/rival_spawn_loop {n} 2 true 1"}
        program = shutil.which(programs[what].split()[0])
        if program is None:
            return None
        script = programs[what] if what == "loop" else f"seq {n} | {programs[what]}"
        return Command(["bash", "-c", script], seconds=1200)

    def _mpirun(self, ranks, argv):
        # As root Open MPI wants to be asked twice.
        twice = ("OMPI_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT") if os.geteuid() == 0 else ()
        root = {name + suffix: "1" for name in twice for suffix in ("", "_CONFIRM")}
        return Command(["mpirun", "--oversubscribe", "-n", ranks] + argv, root)

    def _find_python(self):
        for python in dict.fromkeys((sys.executable, shutil.which("python3"), "/usr/bin/python3")):
            if python and subprocess.run([python, "-c", "import mpi4py.futures"], capture_output=True).returncode == 0:
                return python
        return None

    def _calibrate(self):
        """Seconds that an iteration of bench::spin takes, at best."""
        loop = self.bare("rival_bound_loop", workers=1, n=100, iterations=200_000)
        if loop is None:
            sys.exit(f"{self.build}/bench has no benchmarks: configure with -DRANKPOOL_BUILD_BENCH=ON and build")
        return min(loop.run()["seconds"] for _ in range(3)) / (100 * 200_000)

    def iterations(self, seconds):
        return max(1, round(seconds / self.iteration_s))

    def size(self, full, quick):
        return quick if self.quick else full

    # -- measuring

    def interleave(self, commands, pairs=None):
        """Runs all of them once to warm up, then all of them in turn, `pairs` times."""
        commands = {name: command for name, command in commands.items() if command is not None}
        runs = {name: [] for name in commands}
        for turn in range(1 + (pairs or self.pairs)):
            for name, command in commands.items():
                if runs[name] is None:
                    continue
                report = command.run()
                if report is None:
                    runs[name] = None  # it fails always
                elif turn > 0:
                    runs[name].append(report)
                elif self.quick:
                    print(f"  {name}: {_short(report)}")
        return Runs(runs)


class Runs:
    """What each program reported, in the order of the turns."""

    def __init__(self, reports):
        self.reports = {name: of_one for name, of_one in reports.items() if of_one}

    def values(self, name, key):
        return [report[key] for report in self.reports.get(name, [])]

    def median(self, name, key):
        values = self.values(name, key)
        return statistics.median(values) if values else None

    def times_faster(self, ours, rival, key="seconds"):
        """For each turn how many times faster ours was; `key` is a time, or a rate."""
        pairs = zip(self.values(ours, key), self.values(rival, key))
        return [mine / other if key.endswith("per_s") else other / mine for mine, other in pairs]


class Check:
    """A figure and what it should be."""

    def __init__(self, what, values, unit="", at_least=None, at_most=None):
        self.what, self.values, self.unit = what, sorted(values), unit
        self.at_least, self.at_most = at_least, at_most

    @property
    def median(self):
        return statistics.median(self.values) if self.values else None

    @property
    def met(self):
        if not self.values:
            return None
        return ((self.at_least is None or self.median >= self.at_least) and
                (self.at_most is None or self.median <= self.at_most))

    @property
    def bar(self):
        if self.at_least is not None:
            return f"≥ {_figure(self.at_least)}{self.unit}"
        return f"≤ {_figure(self.at_most)}{self.unit}" if self.at_most is not None else ""

    def show(self, value):
        return f"{_figure(value)}{self.unit}" if math.isfinite(value) else "never"

    def as_json(self):
        median, *values = [value if value is not None and math.isfinite(value) else None
                           for value in [self.median, *self.values]]
        return {"what": self.what, "median": median, "values": values, "unit": self.unit.strip(),
                "at_least": self.at_least, "at_most": self.at_most, "met": self.met}


def crossing(points, target):
    """Where a rising curve of (x, y), x on a logarithmic scale, comes to `target` and no longer falls below it."""
    points = sorted(points)
    below = [i for i, (_, y) in enumerate(points) if y < target]
    if not below:
        return points[0][0]
    last = below[-1]
    if last + 1 == len(points):
        return math.inf
    (x0, y0), (x1, y1) = points[last], points[last + 1]
    return math.exp(math.log(x0) + (math.log(x1) - math.log(x0)) * (target - y0) / (y1 - y0))


def _arguments(options):
    return [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]


def _figure(value):
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}".replace(",", " ")


def _short(report):
    return ", ".join(f"{key} {_figure(value)}" for key, value in report.items() if isinstance(value, (int, float)))
