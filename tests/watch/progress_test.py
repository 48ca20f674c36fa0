#!/usr/bin/env python3
"""progress_test.py WAY PROGRAM RANKPOOL_RUN: what a program that is started in this way shows of its progress."""
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
import terminal  # noqa: E402

way, program, rankpool_run = sys.argv[1:4]
USUAL = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
os.environ.update(USUAL)
for name in ("RANKPOOL_PROGRESS", "RANKPOOL_TRACE", "RANKPOOL_TERMINAL", "RANKPOOL_MAX_WORKERS"):
    os.environ.pop(name, None)
MPIRUN = ["timeout", "-k", "5", "50", "mpirun", "--oversubscribe", "-n", "2"]
BAR = re.compile(r"fits +\d+%\|.*\| *\d+/\d+ \[\d\d:\d\d<(\?|\d\d:\d\d), .*\]")
LAST = re.compile(r"fits 100%\|.*\| 100/100 \[00:\d\d, [\d.]+/s\]")
LOG = re.compile(r"rankpool: fits: 100 % \(100 of 100\), [\d.]+/s, 00:\d\d gone")


def expect(holds, what):
    if not holds:
        sys.exit(f"{way}: {what}")


def piped(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, **more)
    expect(done.returncode == 0, f"status {done.returncode}: {done.stderr}")
    return done.stdout, done.stderr


def expect_log(text, pattern=LOG):
    """Whole lines, no control characters, the last one at the end, and nothing else."""
    expect(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), f"control characters: {text!r}")
    expect(text.endswith("\n"), f"no whole line: {text!r}")
    lines = [line for line in text.splitlines() if "PMIX ERROR" not in line]
    expect(len(lines) == 1 and pattern.fullmatch(lines[0]), f"not the one line: {text!r}")


def shots(command, moments, **more):
    """Screens at those moments, and at the end."""
    taken = []
    at = {moment: lambda screen, _fd, _pid: taken.append(screen.lines()) for moment in moments}
    screen, written, status = terminal.run(command, at=at, environment=USUAL, **more)
    expect(status == 0, f"status {status}: {written!r}")
    expect((screen.top, screen.bottom) == (0, screen.rows - 1), "the terminal was not given back")
    return taken, screen, written


def on_terminal(command, **more):
    taken, screen, _ = shots(command, (1.0,), **more)
    expect(BAR.fullmatch(taken[0][-1]), f"no bar in the lowest line: {taken[0]}")
    lines = screen.all_lines()
    expect(LAST.fullmatch(lines[-2]) and lines[-1] == "the sum is 4000", f"the end: {lines}")


def bare_pipe():
    out, err = piped([program, "even", "100", "10"])
    expect(out == "the sum is 1000\n", out)
    expect_log(err)


def bare_terminal():
    on_terminal([program, "even", "100", "40"])


def off():
    out, err = piped([program, "even", "50", "5"], env={**os.environ, "RANKPOOL_PROGRESS": "off"})
    expect((out, err) == ("the sum is 250\n", ""), err)


def unlabelled():
    _, err = piped([program, "plain", "50", "5"])
    expect(err == "", err)
    _, err = piped([program, "plain", "50", "5"], env={**os.environ, "RANKPOOL_PROGRESS": "all"})
    expect(err == "", "a short map was shown: " + err)
    _, err = piped([program, "plain", "100", "60"], env={**os.environ, "RANKPOOL_PROGRESS": "all"})
    expect_log(err, re.compile(r"rankpool: .*rest\(long\): 100 % \(100 of 100\), .* gone"))


def nonsense():
    _, err = piped([program, "even", "10", "5"], env={**os.environ, "RANKPOOL_PROGRESS": "loud"})
    expect(err.startswith('rankpool: warning: RANKPOOL_PROGRESS="loud" is not one of auto, bar, log, off, all; using auto\n'), err)


def log_on_terminal():
    taken, screen, written = shots(["env", "RANKPOOL_PROGRESS=log", program, "even", "100", "10"], ())
    expect("\x1b" not in written, f"control sequences: {written!r}")
    expect(any(LOG.fullmatch(line) for line in screen.all_lines()), f"no line: {screen.all_lines()}")


def mpirun_pipe():
    out, err = piped(MPIRUN + [program, "even", "100", "10"])
    expect(out == "the sum is 1000\n", out)
    expect_log(err)


def mpirun_terminal():
    """What the ranks see of mpirun's terminal is not to be believed."""
    _, screen, written = shots(MPIRUN + [program, "even", "100", "10"], ())
    expect("\x1b" not in written, f"control sequences: {written!r}")
    expect(any(LOG.fullmatch(line) for line in screen.all_lines()), f"no line: {screen.all_lines()}")


def mpirun_tee():
    with tempfile.TemporaryDirectory() as folder:
        out, _ = piped(["bash", "-o", "pipefail", "-c", '"$@" 2>&1 | tee "$0"', folder + "/log"] + MPIRUN + [program, "even", "100", "10"])
        expect(out == Path(folder, "log").read_text(), "tee")
        expect(sorted(line[:13] for line in out.splitlines() if "PMIX ERROR" not in line) == ["rankpool: fit", "the sum is 10"], out)


def rankpool_run_terminal():
    on_terminal([rankpool_run, "-n", "2", "--", program, "even", "100", "40"])


def rankpool_run_bare_terminal():
    on_terminal([rankpool_run, "--", program, "even", "100", "40"])


def rankpool_run_pipe():
    _, err = piped([rankpool_run, "-n", "2", "--", program, "even", "100", "10"])
    expect_log(err)


def nohup():
    with tempfile.TemporaryDirectory() as folder:
        _, _, status = terminal.run(["bash", "-c", f'cd "{folder}" && nohup "{program}" even 100 10 >nohup.out 2>&1 </dev/null'], environment=USUAL)
        expect(status == 0, "status")
        text = Path(folder, "nohup.out").read_text()
        expect("\x1b" not in text and "\r" not in text and LOG.search(text), repr(text))


def no_width():
    """A terminal that does not know its size."""
    _, screen, written = shots([program, "even", "100", "40"], (1.0,), rows=0, columns=0)
    expect(any(LAST.fullmatch(line) for line in screen.all_lines()), f"{screen.all_lines()}")


def dumb():
    _, screen, written = shots(["env", "TERM=dumb", program, "even", "100", "10"], ())
    expect("\x1b" not in written and any(LOG.fullmatch(line) for line in screen.all_lines()), repr(written))


def narrow():
    taken, screen, _ = shots([program, "even", "100", "40"], (1.0,), columns=22)
    expect(re.fullmatch(r"fits +\d+% \d+/100( \[.*\])?", taken[0][-1]), f"{taken[0]}")


def resized():
    seen = []

    def smaller(screen, descriptor, _pid):
        terminal.resize(screen, descriptor, 12, 50)

    def look(screen, _descriptor, _pid):
        seen.append(screen.lines())

    def larger(screen, descriptor, _pid):
        terminal.resize(screen, descriptor, 30, 100)

    screen, written, status = terminal.run([program, "talk", "200", "50"], at={1.2: smaller, 2.2: look, 2.4: larger, 3.6: look}, environment=USUAL)
    expect(status == 0, f"status {status}")
    for lines, rows, columns in ((seen[0], 12, 50), (seen[1], 30, 100)):
        bars = [line for line in lines if "fits" in line]
        expect(len(lines) == rows and len(bars) == 1 and lines[-1] == bars[0] and len(bars[0]) < columns, f"{lines}")


def talking():
    """What the program prints meanwhile is whole, and in its order."""
    taken, screen, _ = shots([program, "talk", "100", "25"], (0.8,), rows=10)
    expect("fits" in taken[0][-1], f"{taken[0]}")
    spoken = [line for line in screen.all_lines() if "fits" not in line and "sum" not in line]
    expect(spoken == [f"line {i} of the program" for i in range(1, 101)], f"torn: {spoken}")


def two_maps():
    taken, screen, _ = shots([program, "two", "60", "40"], (1.2,))
    lowest = "\n".join(taken[0][-2:])
    expect("fits" in lowest and "größe" in lowest, f"{taken[0]}")
    lines = screen.all_lines()
    expect(sum("60/60" in line for line in lines) == 2, f"{lines}")


def unknown_end():
    taken, screen, _ = shots([program, "stream", "60", "50"], (1.0,))
    expect(re.fullmatch(r"fits: \d+ \[00:\d\d, [\d.]+/s\]", taken[0][-1]), f"{taken[0]}")
    expect(any("60/60" in line for line in screen.all_lines()), f"{screen.all_lines()}")


def failures():
    _, err = piped([program, "failing", "50"])
    expect(re.fullmatch(r"rankpool: fits: 100 % \(50 of 50\), .*, 5 failed\n", err), err)


def losses():
    _, err = piped([program, "crash"])
    expect(re.search(r"rankpool: fits: 100 % \(50 of 50\), .*, 1 retried\n", err), err)


def killed():
    """Who dies cannot give the terminal back: its keeper does."""
    # The shell stays, as it does for a user, and with it the terminal.
    script = 'echo begin; "$0" even 400 25 & wait $!; sleep 1.5; echo after'
    for signal_number in (signal.SIGTERM, signal.SIGKILL):

        def end_program(screen, descriptor, pid):
            expect((screen.top, screen.bottom) == (0, screen.rows - 2), "no line was kept")
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            os.kill(int(children[0]), signal_number)

        screen, written, _ = terminal.run(["bash", "-c", script, program], at={1.5: end_program}, environment=USUAL)
        expect((screen.top, screen.bottom) == (0, screen.rows - 1), "the terminal was not given back")
        lines = screen.all_lines()
        expect(lines[-1] == "after" and not any("fits" in line for line in lines), f"{lines}")


ways = {name: value for name, value in globals().items() if callable(value)}
ways[way]()
print(f"{way}: as it should be")
