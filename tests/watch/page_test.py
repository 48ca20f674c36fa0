#!/usr/bin/env python3
"""page_test.py CHROMIUM RANKPOOL_TRACE FOLDER [TASKS [PICTURE]]: makes the page of a trace of so many tasks, and looks at it in a
browser without network: it draws all of them, its first paint comes within two seconds, and it is no larger than 5 MB."""
import gzip
import http.server
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from pathlib import Path

chromium, tool, folder = sys.argv[1:4]
tasks = int(sys.argv[4]) if len(sys.argv) > 4 else 1_000_000
picture = sys.argv[5] if len(sys.argv) > 5 else None
folder = Path(folder).resolve()
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir(parents=True)
USUAL = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={folder / 'home'}", "--window-size=1280,1500"]


def expect(holds, what):
    if not holds:
        sys.exit(what)


def write_trace(path):
    """Two nodes with four workers each; tasks of 10 us and more; a lost worker, a retry, a failure."""
    randomly = random.Random(4)
    workers = 8
    scale = max(1, 2_000_000 // tasks)
    with gzip.open(path, "wt", compresslevel=1) as out:
        out.write("[\n")
        for rank in range(2):
            out.write(json.dumps({"ph": "M", "name": "rankpool_rank", "pid": rank + 1, "tid": 0, "args": {"host": f"n{rank}"}}) + ",\n")
        for worker in range(workers):
            out.write(json.dumps({"ph": "M", "name": "rankpool_worker", "pid": worker // 4 + 1, "tid": 100000 + worker,
                                  "args": {"worker": worker, "pid": 700 + worker, "started": 0, "ready": 5}}) + ",\n")
        at = [randomly.uniform(0, 50) for _ in range(workers)]
        for number in range(tasks):
            worker = number % workers
            name = "fit(double)" if number * 3 < tasks * 2 else "judge(Model const&)"
            length = randomly.lognormvariate(2.3, 0.5) * scale * (1.6 if worker == 5 else 1)
            outcome = "error" if number == tasks // 2 else "lost" if number == tasks * 5 // 8 else "done"
            out.write(f'{{"ph":"X","name":"{name}","cat":"{outcome}","pid":{worker // 4 + 1},"tid":{100000 + worker},"dur":{length:.3f},'
                      f'"ts":{at[worker]:.3f},"args":{{"number":{number},"attempt":1,"bytes_in":8,"bytes_out":8}}}},\n')
            if number % (tasks // 800 or 1) < workers:  # in waves, on the second node larger ones
                wave = math.sin(number / tasks * 9 + worker) + 1.2
                resident = int((60 + 90 * (1 + worker // 4) * wave) * 1e6)
                out.write(f'{{"ph":"C","name":"resident memory of worker {worker}","cat":"resident","pid":{worker // 4 + 1},"tid":{100000 + worker},'
                          f'"ts":{at[worker] + length:.3f},"args":{{"value":{resident}}}}},\n')
            at[worker] += length + randomly.uniform(0.05, 0.6) * scale
            if outcome == "lost":
                out.write(f'{{"ph":"i","s":"g","name":"retry","cat":"retry","pid":1,"tid":0,"ts":{at[worker]:.3f},"args":{{"task":"{name}","number":{number}}}}},\n')
        out.write(f'{{"ph":"M","name":"rankpool_end","pid":1,"tid":0,"args":{{"ts":{max(at):.3f},"dropped":0,"complete":true}}}}\n]\n')


trace, page = folder / "run.json.gz", folder / "page.html"
write_trace(trace)
subprocess.run([tool, str(trace), "--html", str(page)], check=True, timeout=300)
size = page.stat().st_size
print(f"page of {tasks} tasks: {size / 1e6:.2f} MB")
expect(size <= 5_000_000, "the page is too large")
text = page.read_text()
expect(not re.search(r'(src|href)="?(https?:)?//', text) and "http" not in text.replace("http://www.w3.org", ""), "the page needs a network")
for part in ('id="insights"', 'id="throughput"', 'id="busy"', 'id="lengths"', 'id="workers"', 'id="slowest"', 'id="marks"', "retry", "error", 'id="memory"', 'id="worker-memory"', "n1: ", "n0: "):
    expect(part in text, f"the page lacks {part}")


def look(*options):
    """In a browser of its own, without network."""
    done = subprocess.run([chromium, *USUAL, "--host-resolver-rules=MAP * ~NOTFOUND", "--timeout=60000", *options, page.as_uri()],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=200, env={**os.environ, "HOME": str(folder / "home")})
    expect(done.returncode == 0, done.stderr[-2000:])


# In real time: the page itself says when it was painted, to whoever opened it.
told = {}


class Told(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told.update(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Told)
threading.Thread(target=server.serve_forever, daemon=True).start()
timed = folder / "timed.html"
timed.write_text(text.replace("</body>", f"""<script>const asked = setInterval(() => {{
  const is = document.body.dataset, paint = performance.getEntriesByType("paint").find(entry => entry.name === "first-contentful-paint");
  if (is.drawn && paint) {{ clearInterval(asked); new Image().src = `http://127.0.0.1:{server.server_port}/?drawn=${{is.drawn}}&ready=${{is.ready}}&painted=${{paint.startTime}}`; }}
}}, 10)</script></body>"""))
browser = subprocess.Popen([chromium, *USUAL, "--remote-debugging-port=0", timed.as_uri()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           env={**os.environ, "HOME": str(folder / "home")}, start_new_session=True)
for _ in range(1200):
    if told or browser.poll() is not None:
        break
    time.sleep(0.1)
os.killpg(browser.pid, signal.SIGKILL)
browser.wait()
expect(told.get("drawn") == str(tasks), f"drawn: {told} of {tasks}")
print(f"first paint after {float(told['painted']):.0f} ms, all drawn after {told['ready']} ms")
expect(float(told["painted"]) <= 2000, "the first paint came too late")
for scheme in ("light", "dark"):
    shot = folder / f"{scheme}.png"
    look(f"--screenshot={shot}", "--virtual-time-budget=20000", *(["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []))
    expect(shot.stat().st_size > 20_000, "the picture is empty")
look(f"--print-to-pdf={folder / 'page.pdf'}", "--virtual-time-budget=20000")
expect((folder / "page.pdf").stat().st_size > 10_000, "nothing was printed")
if picture:
    shutil.copy(folder / "light.png", picture)
    shutil.copy(folder / "dark.png", picture.replace(".png", "_dark.png"))
else:
    shutil.rmtree(folder)
