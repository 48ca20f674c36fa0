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
launch = Path(__file__).resolve().parent.parent / "support/launch"
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


def lowest(pattern):
    """Whether the lowest line of a screen matches."""
    return lambda screen: re.fullmatch(pattern, screen.lines()[-1])


def shots(command, seen=(), **more):
    """Screens as soon as those conditions hold, one after the other, and the last one."""
    taken = []
    steps = [(holds, lambda screen, _fd, _pid: taken.append(screen.lines())) for holds in seen]
    screen, written, status, missed = terminal.run(command, steps=steps, environment=USUAL, **more)
    expect(status == 0, f"status {status}: {written!r}")
    expect(not missed, f"never seen: {written!r}")
    expect((screen.top, screen.bottom) == (0, screen.rows - 1), "the terminal was not given back")
    return taken, screen, written


def on_terminal(command, **more):
    _, screen, _ = shots(command, [lowest(BAR.pattern)], **more)
    lines = screen.all_lines()
    expect(LAST.fullmatch(lines[-2]) and lines[-1] == "the sum is 4000", f"the end: {lines}")


def bare_pipe():
    out, err = piped([program, "even", "100", "10"])
    expect(out == "the sum is 1000\n", out)
    expect_log(err)


def bare_terminal():
    on_terminal([program, "even", "100", "40"])


def told_by_the_program():
    on_terminal([program, "told", "100", "40"])
    _, err = piped([program, "told", "100", "10"])
    expect_log(err)
    _, err = piped([program, "told", "100", "1"], env={**os.environ, "RANKPOOL_PROGRESS": "off"})
    expect(err == "", err)


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
    taken, screen, written = shots(["env", "RANKPOOL_PROGRESS=log", program, "even", "100", "10"])
    expect("\x1b" not in written, f"control sequences: {written!r}")
    expect(any(LOG.fullmatch(line) for line in screen.all_lines()), f"no line: {screen.all_lines()}")


def mpirun_pipe():
    out, err = piped(MPIRUN + [program, "even", "100", "10"])
    expect(out == "the sum is 1000\n", out)
    expect_log(err)


def mpirun_terminal():
    """What the ranks see of mpirun's terminal is not to be believed."""
    _, screen, written = shots(MPIRUN + [program, "even", "100", "10"])
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


def hosts_pipe():
    done = subprocess.run([launch, "-c", "2", "-n", "4", program, "even", "100", "10"], capture_output=True, text=True, timeout=120)
    if done.returncode == 77:
        print(done.stderr)
        sys.exit(77)
    expect(done.returncode == 0 and "the sum is 1000" in done.stdout, f"status {done.returncode}: {done.stderr}")
    expect(sum(bool(LOG.fullmatch(line)) for line in done.stderr.splitlines()) == 1, f"not the one line: {done.stderr!r}")


def nohup():
    with tempfile.TemporaryDirectory() as folder:
        _, _, status, _ = terminal.run(["bash", "-c", f'cd "{folder}" && nohup "{program}" even 100 10 >nohup.out 2>&1 </dev/null'], environment=USUAL)
        expect(status == 0, "status")
        text = Path(folder, "nohup.out").read_text()
        expect("\x1b" not in text and "\r" not in text and LOG.search(text), repr(text))


def no_width():
    """A terminal that does not know its size."""
    _, screen, written = shots([program, "even", "100", "40"], rows=0, columns=0)
    expect(any(LAST.fullmatch(line) for line in screen.all_lines()), f"{screen.all_lines()}")


def dumb():
    _, screen, written = shots(["env", "TERM=dumb", program, "even", "100", "10"])
    expect("\x1b" not in written and any(LOG.fullmatch(line) for line in screen.all_lines()), repr(written))


def narrow():
    shots([program, "even", "100", "40"], [lowest(r"fits +\d+% \d+/100( \[.*\])?")], columns=22)


def resized():
    def drawn(rows, columns):
        def holds(screen):
            bars = [line for line in screen.lines() if "fits" in line]
            return len(screen.lines()) == rows and len(bars) == 1 and screen.lines()[-1] == bars[0] and len(bars[0]) < columns and screen.bottom == rows - 2
        return holds

    def resize(rows, columns):
        return lambda screen, descriptor, _pid: terminal.resize(screen, descriptor, rows, columns)

    steps = [(drawn(24, 80), resize(12, 50)), (drawn(12, 50), resize(30, 100)), (drawn(30, 100), lambda *_: None)]
    screen, written, status, missed = terminal.run([program, "talk", "200", "50"], steps=steps, environment=USUAL)
    expect(status == 0 and not missed, f"status {status}, {missed} sizes were not drawn: {screen.lines()}")


def talking():
    """What the program prints meanwhile is whole, and in its order."""
    _, screen, _ = shots([program, "talk", "100", "25"], [lowest(".*fits.*")], rows=10)
    spoken = [line for line in screen.all_lines() if "fits" not in line and "sum" not in line]
    expect(spoken == [f"line {i} of the program" for i in range(1, 101)], f"torn: {spoken}")


def two_maps():
    def both(screen):
        two = sorted(screen.lines()[-2:])
        return two[0].startswith("fits") and two[1].startswith("größe")

    _, screen, _ = shots([program, "two", "60", "40"], [both])
    lines = screen.all_lines()
    expect(sum("60/60" in line for line in lines) == 2, f"{lines}")


def unknown_end():
    _, screen, _ = shots([program, "stream", "60", "50"], [lowest(r"fits: \d+ \[00:\d\d, [\d.]+/s\]")])
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

        def end_program(_screen, _descriptor, pid):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            os.kill(int(children[0]), signal_number)

        kept = (lambda screen: "fits" in screen.lines()[-1] and (screen.top, screen.bottom) == (0, screen.rows - 2), end_program)
        screen, written, _, missed = terminal.run(["bash", "-c", script, program], steps=[kept], environment=USUAL)
        expect(not missed, f"no line was kept: {written!r}")
        expect((screen.top, screen.bottom) == (0, screen.rows - 1), "the terminal was not given back")
        lines = screen.all_lines()
        expect(lines[-1] == "after" and not any("fits" in line for line in lines), f"{lines}")


ways = {name: value for name, value in globals().items() if callable(value)}
ways[way]()
print(f"{way}: as it should be")
