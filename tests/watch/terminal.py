"""A small terminal: runs a command on a pseudo-terminal and gives what its screen shows."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time


class Screen:
    """Knows the control sequences that watch/terminal_area.cpp uses, and refuses all others."""

    SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([@-~])")

    def __init__(self, rows, columns):
        self.scrolled_off = []
        self.rest = ""
        self.saved = (0, 0)
        self.row = self.column = 0
        self.cells = []
        self.resize(rows, columns)

    def resize(self, rows, columns):
        lines = ["".join(line) for line in self.cells]
        while len(lines) > rows and self.row < len(lines) - 1:
            lines.pop()
        while len(lines) > rows:
            self.scrolled_off.append(lines.pop(0).rstrip())
            self.row = max(self.row - 1, 0)
        self.cells = [list(line[:columns].ljust(columns)) for line in lines]
        self.cells += [[" "] * columns for _ in range(rows - len(lines))]
        self.rows, self.columns = rows, columns
        self.top, self.bottom = 0, rows - 1
        self.row, self.column = min(self.row, rows - 1), min(self.column, columns - 1)

    def down(self):
        if self.row == self.bottom:
            gone = "".join(self.cells.pop(self.top)).rstrip()
            self.cells.insert(self.bottom, [" "] * self.columns)
            if self.top == 0:
                self.scrolled_off.append(gone)
        elif self.row < self.rows - 1:
            self.row += 1

    def control(self, numbers, letter):
        first = numbers[0] if numbers else 0
        if letter == "H":
            self.row = min(max(first - 1, 0), self.rows - 1)
            self.column = min(max((numbers[1] if len(numbers) > 1 else 1) - 1, 0), self.columns - 1)
        elif letter == "A":
            self.row = max(self.row - max(first, 1), 0)
        elif letter == "r":
            self.top = first - 1 if numbers else 0
            self.bottom = numbers[1] - 1 if len(numbers) > 1 else self.rows - 1
            self.row = self.column = 0
        elif letter == "K":
            for at in range(0 if first == 2 else self.column, self.columns):
                self.cells[self.row][at] = " "
        elif letter == "J":
            for at in range(self.column, self.columns):
                self.cells[self.row][at] = " "
            for at in range(self.row + 1, self.rows):
                self.cells[at] = [" "] * self.columns
        else:
            raise ValueError(f"a control sequence that no terminal was asked about: {letter!r}")

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        at = 0
        while at < len(text):
            one = text[at]
            if one == "\x1b":
                found = self.SEQUENCE.match(text, at)
                if found:
                    self.control([int(n or 0) for n in found[1].split(";")] if found[1] else [], found[2])
                    at = found.end()
                    continue
                if at + 1 >= len(text) or text[at + 1] == "[":
                    self.rest = text[at:]
                    return
                kind = text[at + 1]
                if kind == "7":
                    self.saved = (self.row, self.column)
                elif kind == "8":
                    self.row, self.column = self.saved
                elif kind == "D":
                    self.down()
                else:
                    raise ValueError(f"an escape sequence that no terminal was asked about: {kind!r}")
                at += 2
                continue
            if one == "\n":
                self.down()
            elif one == "\r":
                self.column = 0
            elif one >= " ":
                if self.column >= self.columns:
                    self.column = 0
                    self.down()
                self.cells[self.row][self.column] = one
                self.column += 1
            else:
                raise ValueError(f"a control character: {one!r}")
            at += 1

    def lines(self):
        return ["".join(line).rstrip() for line in self.cells]

    def all_lines(self):
        """With what has scrolled off, without empty ones."""
        return [line for line in self.scrolled_off + self.lines() if line]


def run(command, rows=24, columns=80, steps=(), environment=None, seconds=60):
    """Runs the command. `steps`: pairs of functions. Once the first one is true of the screen, the second one is called with screen,
    descriptor and pid, and the next step is waited for. So nothing depends on how fast the machine is.
    Returns the screen, what was written, the wait status, and how many steps were not come to."""
    pid, descriptor = pty.fork()
    if pid == 0:
        try:
            time.sleep(0.1)  # until the size is set
            os.environ.update(environment or {})
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    if rows:
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    screen = Screen(rows or 24, columns or 80)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pending = list(steps)
    until = time.time() + seconds
    written = ""
    while True:
        now = time.time()
        if now > until:
            os.kill(pid, signal.SIGKILL)
            raise TimeoutError(" ".join(command))
        ready, _, _ = select.select([descriptor], [], [], until - now)
        if not ready:
            continue
        try:
            data = os.read(descriptor, 65536)
        except OSError:
            break
        if not data:
            break
        text = decoder.decode(data)
        written += text
        screen.feed(text)
        if pending and pending[0][0](screen):
            pending.pop(0)[1](screen, descriptor, pid)
    return screen, written, os.waitpid(pid, 0)[1], len(pending)


def resize(screen, descriptor, rows, columns):
    screen.resize(rows, columns)
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
