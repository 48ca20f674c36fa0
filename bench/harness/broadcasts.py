"""A broadcast to many nodes, simulated: what leaves rank 0, and until when all have it."""
from .lab import Command

SIZE = 1e9
LOST = 100  # per mille


def simulate(build, nodes, **options):
    more = [f"--{name.replace('_', '-')}={value:g}" for name, value in options.items()]
    command = [build / "bench/simulation/bench_broadcast", f"--nodes={nodes}", *more, f"--bytes={SIZE:g}"]  # the first counts
    return Command(command, seconds=900).run()


def check(build):
    small = simulate(build, 4, bytes=1e7)
    assert small["have"] == 4 and small["sent_by_root"] < 2.1e7, "two copies leave rank 0, and all have it"
    alone = simulate(build, 4, bytes=1e7, tree=0)
    assert alone["have"] == 4 and 2.9e7 < alone["sent_by_root"] < 3.2e7, "without the tree rank 0 sends it to each"


def table(build, nodes):
    """Lines of Markdown, and the results."""
    costs = {name: simulate(build, 2)[name] for name in ("take_ns", "give_ns")}
    lines = [f"Broadcast of {SIZE / 1e9:g} GB, links of 10 GB/s; a piece of 256 KiB costs an agent {costs['take_ns'] / 1e3:.0f} µs to take, "
             f"{costs['give_ns'] / 1e3:.1f} µs to give", "",
             f"| nodes | GB that leave rank 0 | all have it after | with {LOST / 10:g} % of the nodes lost meanwhile | rank 0 alone: GB, after |",
             "|---|---|---|---|---|"]
    results = []
    for count in nodes:
        tree = simulate(build, count, **costs)
        lost = simulate(build, count, **costs, lost=LOST)
        alone = simulate(build, count, **costs, tree=0)
        results += [tree, lost, alone]
        lines.append(f"| {count:,} | {tree['sent_by_root'] / 1e9:.3g} | {tree['seconds']:.3g} s | {lost['sent_by_root'] / 1e9:.3g}, "
                     f"{lost['seconds']:.3g} s | {alone['sent_by_root'] / 1e9:,.3g}, {alone['seconds']:.3g} s |")
        print(lines[-1], flush=True)
    return lines + [""], results
