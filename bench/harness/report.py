"""Writes what was measured: results.json, results.md and the plots."""
import json
import os
import platform
import time
from pathlib import Path


def machine():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.machine()
    return {"processor": processor, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "load": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d %H:%M:%S %z")}


class Results:
    """Written anew after each row, so that a run that is stopped leaves what it has."""

    def __init__(self, folder, pairs, quick):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.head = {**machine(), "pairs": pairs, "quick": quick}
        self.rows = {}

    def add(self, number, row):
        self.rows[number] = row
        for name, text in row.plots.items():
            (self.folder / name).write_text(text)
        (self.folder / "results.json").write_text(json.dumps(self.as_json(), indent=1))
        (self.folder / "results.md").write_text(self.as_markdown())

    def as_json(self):
        return {**self.head,
                "rows": [{"row": number, "title": row.title, "checks": [check.as_json() for check in row.checks],
                          "curves": row.curves, "runs": row.runs} for number, row in self.rows.items()]}

    def as_markdown(self):
        head = self.head
        lines = ["# rankpool, measured", "",
                 f"{head['processor']}, {head['cores']} cores, Linux {head['kernel']}, load {head['load']:.1f} at the start, "
                 f"{head['date']}; {head['pairs']} pairs{', quick' if head['quick'] else ''}. Median of the pairs, least, most.", ""]
        for number, row in self.rows.items():
            lines += [f"## {number}. {row.title}", "", "| what | median | least | most | wanted | |", "|---|---|---|---|---|---|"]
            lines += [as_line(check) for check in row.checks] + [""]
            lines += [f"![{name}]({name})" for name in row.plots] + ([""] if row.plots else [])
        return "\n".join(lines)


def as_line(check):
    if not check.values:
        return f"| {check.what} | not measured | | | {check.bar} | |"
    verdict = ("yes" if check.met else "**no**") if check.bar else ""
    figures = (check.median, check.values[0], check.values[-1])
    return f"| {check.what} | {' | '.join(check.show(figure) for figure in figures)} | {check.bar} | {verdict} |"
