#!/usr/bin/python3
"""Mobula on real processes, the bare limit, and Ray, in one run on one machine.

    real.py BUILD [ROW...] [--runs N] [--quick] [--ray FOLDER | --no-ray] [--json FILE]
                  [--markdown FILE]

Nobody looks on while Mobula runs: its processes report nothing, and the driver
prints its own figures. Ray is never needed: it is installed into a virtual
environment in FOLDER (a temporary one unless given; one that has it already is
used as it is), and where that does not work its column says so.

What the limits are say bench_exchange.c (two processes that exchange frames of
the same size over a Unix socket), bench_shm.c (memcpy into memory that is
mapped) and bench_wire.c (1 GB over a bare TCP socket, and over bare TLS). Each is
measured in every way that there is, and the best counts.

Machines are shared, so a run waits for a while until nobody else computes, unless
all of this is started at real-time priority (chrt -f 1), where others do not
count. The runs of all take turns, what is printed is medians, and the ratios are
medians of the ratios of each turn. Writes a file of JSON and one of Markdown.
"""
import argparse
import collections
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 600
PATIENCE = 15  # seconds that a turn waits for the machine to be quiet

# work, on: for real.lua and mobula run. count, ray_count: how many, or of what size.
# share, times: which share of the limit and how many times Ray are required; at_least,
# at_most: what in any case.
Row = collections.namedtuple("Row", "what work on unit count ray_count limit share times at_least "
                             "at_most", defaults=(None,) * 5)

ROWS = {
    "sync": Row("tasks, one at a time", "sync", "local", "/s", 20_000, 2_000, "one", 0.5, 30),
    "async": Row("tasks, 1,000 submitted then all got", "async", "local", "/s", 200_000, 20_000,
                 "burst", 0.1, 20, 150_000),
    "clients": Row("the same from 4 owners", "clients", "local", "/s", 200_000, 40_000, times=10),
    "put": Row("put and get of a small value", "put", "local", "/s", 50_000, 2_000, times=20),
    "put100": Row("put of 100 MB", "put_large", "local", " GB/s", 100, 100, "copy", 0.8, 1),
    "put800": Row("put of 800 MB", "put_large", "local", " GB/s", 800, 800, "copy", 0.8, 1),
    "get100": Row("get of 100 MB on this machine", "get_large", "local", " ms", 100, 100,
                  at_most=1),
    "tcp": Row("1 GB to another machine", "wire", "local+tcp", " GB/s", 1000, 1000, "tcp", 0.7, 1),
    "tls": Row("the same with TLS, Ray without", "wire", "local+tls", " GB/s", 1000, 1000, "tls",
               0.7, 1),
    "wait": Row("wait over 1,000 references, one at a time", "wait", "local", "/s", 10_000, 10_000,
                times=10),
    "queued": Row("1,000,000 queued empty tasks", "queued", "local", "/s", 1_000_000, 100_000,
                  times=10),
    "up": Row("3 nodes up and ready", "up", "local", " ms", 1, 1, times=10, at_most=150),
}
LESS_IS_BETTER = (" ms",)
SIZES = ("put_large", "get_large", "wire")  # count is a size, which --quick leaves
WAYS = (("sleep", 1), ("sleep", 2), ("spin", 2))


def processes():
    """Parent and most memory so far, in KiB, of every process."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
                status = dict(line.rstrip("\n").split(":", 1) for line in lines)
        except OSError:
            continue
        found[int(pid)] = (int(status["PPid"]), int(status.get("VmHWM", "0 kB").split()[0]))
    return found


def largest_child(root):
    """The most memory that one process below @root has had, in KiB."""
    found = processes()
    below, most = {root}, 0
    while True:
        new = {pid for pid, (parent, _) in found.items() if parent in below} - below
        if not new:
            return most
        most = max([most] + [found[pid][1] for pid in new])
        below |= new


def run(command, **options):
    """What the command printed, how long it took, and the most memory of one of its processes."""
    begun = time.monotonic()
    peak = [0]
    done = threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          **options) as child:
        def watch():
            while not done.wait(0.3):
                peak[0] = max(peak[0], largest_child(child.pid))
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            said, complaint = child.communicate(timeout=TIMEOUT)
        finally:
            done.set()
            child.kill()
            watcher.join()
    if child.returncode != 0:
        raise RuntimeError((complaint or said).strip().splitlines()[-1:] or ["it said nothing"])
    return said, time.monotonic() - begun, peak[0]


class Mobula:
    def __init__(self, build):
        self.command = os.path.join(build, "cli", "mobula")

    def measure(self, row, count):
        command = [self.command, "run", os.path.join(HERE, "real.lua"), "--on", row.on, "--pace",
                   "1", "-q", "--no-check", "--", row.work, str(count)]
        if row.work == "up":
            return {"value": self.time_up(command) * 1000}
        said, _, peak = run(command)
        return {"value": float(said) * (1000 if row.unit == " ms" else 1), "peak_mib": peak / 1024}

    @staticmethod
    def time_up(command):
        """From the start of the command until main has something to say."""
        begun = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            child.stdout.readline()
            took = time.monotonic() - begun
            child.stdout.read()
        return took


class Ray:
    """why says why there is none."""

    def __init__(self, folder):
        self.python = os.path.join(folder, "bin", "python3")
        self.why = None
        if self.has_it():
            return
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            subprocess.run([self.python, "-m", "pip", "install", "--quiet", "ray", "numpy"], check=True,
                           capture_output=True, timeout=TIMEOUT)
        except (OSError, subprocess.SubprocessError):
            self.why = "could not be installed"
            return
        if not self.has_it():
            self.why = "was installed and cannot be used"

    def has_it(self):
        try:
            return subprocess.run([self.python, "-c", "import ray, numpy"], capture_output=True,
                                  check=False).returncode == 0
        except OSError:
            return False

    def version(self):
        return subprocess.run([self.python, "-c", "import ray; print(ray.__version__)"],
                              capture_output=True, text=True, check=True).stdout.strip()

    def measure(self, row, count):
        said, _, peak = run([self.python, os.path.join(HERE, "real_ray.py"), row.work, str(count)])
        figure = float(said.strip().splitlines()[-1])
        return {"value": figure * (1000 if row.unit == " ms" else 1), "peak_mib": peak / 1024}


class Limits:
    def __init__(self, build):
        self.folder = os.path.join(build, "tests", "bench")

    def ask(self, program, *words):
        said, _, _ = run([os.path.join(self.folder, program)] + [str(word) for word in words])
        return json.loads(said)

    def exchange(self, what):
        cores = len(os.sched_getaffinity(0))
        return max(self.ask("bench_exchange", what, how, many, 0.5)["per_s"]
                   for how, many in WAYS if many <= cores)

    def measure(self, row):
        if row.limit == "copy":
            return self.ask("bench_shm", row.count, 5)["memcpy_gbps"]
        if row.limit in ("tcp", "tls"):
            return self.ask("bench_wire", row.count, row.limit)["bare_gb_per_s"]
        return self.exchange(row.limit)


def busy_time():
    with open("/proc/stat", encoding="utf-8") as lines:
        words = [int(word) for word in lines.readline().split()[1:]]
    return sum(words[:3]) + sum(words[5:8]), sum(words[:8])


def wait_for_quiet():
    """Until the machine is idle but for a tenth, for a while; returns how busy it was."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return None
    until = time.monotonic() + PATIENCE
    while True:
        before = busy_time()
        time.sleep(0.3)
        after = busy_time()
        share = (after[0] - before[0]) / max(after[1] - before[1], 1)
        if share < 0.1 or time.monotonic() > until:
            return round(share, 2)


def median(turns, who):
    values = [turn[who]["value"] for turn in turns if who in turn]
    return statistics.median(values) if values else None


def ratio(turns, row, to):
    """The median over the turns of how many times better Mobula is than @to."""
    values = [turn["mobula"]["value"] / turn[to]["value"] for turn in turns if to in turn]
    values = [1 / value for value in values] if row.unit in LESS_IS_BETTER else values
    return statistics.median(values) if values else None


def measure(options, mobula, limits, ray, name):
    row = ROWS[name]
    scale = 10 if options.quick and row.work not in SIZES else 1
    turns = []
    for _ in range(options.runs):
        turn = {"busy_before": wait_for_quiet(),
                "mobula": mobula.measure(row, max(row.count // scale, 1))}
        if row.limit:
            turn["limit"] = {"value": limits.measure(row)}
        if ray is not None and ray.why is None:
            try:
                turn["ray"] = ray.measure(row, max(row.ray_count // scale, 1))
            except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
                turn["ray_failed"] = str(error)
        turns.append(turn)
        print(json.dumps({"row": name, **turn}), file=sys.stderr, flush=True)
    return turns


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(value, required, unit="", at_most=False):
    if value is None:
        return "-"
    if required is None:
        return number(value) + unit
    ok = value <= required if at_most else value >= required
    word = "at most " if at_most else ""
    return f"{number(value)}{unit} {'✓' if ok else '✗'} ({word}{number(required)})"


def cells(name, turns, ray):
    row = ROWS[name]
    theirs = median(turns, "ray")
    limit = median(turns, "limit")
    if theirs is None:
        other = "not asked for" if ray is None else ray.why or "failed"
    else:
        other = number(theirs) + row.unit
    most = row.at_most is not None
    mine = verdict(median(turns, "mobula"), row.at_most if most else row.at_least, row.unit, most)
    return [row.what, mine, number(limit) + row.unit if limit is not None else "-",
            verdict(ratio(turns, row, "limit"), row.share), other,
            verdict(ratio(turns, row, "ray"), row.times)]


def memory(results):
    peaks = [turn["mobula"]["peak_mib"] for turn in results["rows"].get("queued", [])]
    if not peaks:
        return []
    peak = verdict(statistics.median(peaks), 2048, " MiB", True)
    return [["memory of the driver with all of them queued", peak, "-", "-", "-", "-"]]


def tell(results, ray, markdown):
    """The table, for people who look at a terminal and as Markdown."""
    heads = ["", "Mobula", "bare limit", "of the limit", f"Ray {results['ray']}", "times Ray"]
    rows = [cells(name, turns, ray) for name, turns in results["rows"].items()] + memory(results)
    about = (f"{results['date'][:10]}, {results['cpus']} cores of {results['cpu']}, "
             f"{results['memory_gib']} GiB, Linux {results['kernel']}, "
             f"load {results['load'][0]:.1f} to {results['load'][1]:.1f}, "
             f"medians of {results['runs']}" +
             (", all at real-time priority" if results["real_time"] else ""))
    print(f"\n{about}\n")
    widths = [max(len(line[i]) for line in [heads] + rows) for i in range(len(heads))]
    for line in [heads] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    with open(markdown, "w", encoding="utf-8") as file:
        lines = [heads, ["---"] + ["---:"] * (len(heads) - 1)] + rows
        file.write("".join("| " + " | ".join(line) + " |\n" for line in lines))
        file.write(f"\n{about}.\n")


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def arguments():
    parser = argparse.ArgumentParser(description="Mobula on real processes next to Ray.")
    parser.add_argument("build")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, once")
    parser.add_argument("--ray", metavar="FOLDER", help="where Ray is, or is to be installed")
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--json", metavar="FILE", help="where to; default: BUILD/real.json")
    parser.add_argument("--markdown", metavar="FILE", help="where to; default: BUILD/real.md")
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row is called {unknown[0]}; there are {', '.join(ROWS)}")
    options.rows = options.rows or list(ROWS)
    options.build = os.path.abspath(options.build)
    options.runs = 1 if options.quick else options.runs
    options.json = options.json or os.path.join(options.build, "real.json")
    options.markdown = options.markdown or os.path.join(options.build, "real.md")
    return options


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="mobula-bench-") as folder:
        ray = None if options.no_ray else Ray(options.ray or os.path.join(folder, "ray"))
        mobula = Mobula(options.build)
        limits = Limits(options.build)
        load = os.getloadavg()[0]
        results = {"date": datetime.datetime.now().isoformat(timespec="seconds"),
                   "cpu": cpu_name(), "cpus": os.cpu_count(), "kernel": platform.release(),
                   "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
                   "ray": "not asked for" if ray is None else ray.why or ray.version(),
                   "runs": options.runs,
                   "real_time": os.sched_getscheduler(0) != os.SCHED_OTHER,
                   "flood": limits.exchange("flood"),
                   "rows": {}}
        for name in options.rows:
            results["rows"][name] = measure(options, mobula, limits, ray, name)
            results["load"] = [load, os.getloadavg()[0]]
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump(results, file, indent=1, ensure_ascii=False)
    tell(results, ray, options.markdown)


if __name__ == "__main__":
    main()
