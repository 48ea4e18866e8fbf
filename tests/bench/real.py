#!/usr/bin/python3
"""Mobula on real processes, the bare limit, and Ray, in one run on one machine.

    real.py BUILD [WORKLOAD...] [--runs N] [--quick] [--ray FOLDER | --no-ray] [--json FILE]

Nobody looks on while Mobula runs: its processes report nothing, and the driver
prints its own figures. Ray is never needed: it is installed into a virtual
environment in FOLDER (a temporary one unless given; one that has it already is
used as it is), and where that does not work its column says so. The limit is
two processes that exchange frames of the same size over a Unix socket
(bench_exchange.c). Machines are shared, so the runs of all take turns, what is
printed is medians, and the ratios are medians of the ratios of each turn.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TIMEOUT = 600

# What each is called, how many, against the best of which limits, which share of
# that and how many times Ray are required, and how many a second in any case.
WORKLOADS = {
    "sync": ("tasks, one at a time", 10_000, ("sleep", "spin"), 0.5, 30, None),
    "async": ("tasks, 1,000 submitted then all got", 200_000, ("batch",), 0.1, 20, 150_000),
    "clients": ("the same from 4 owners", 200_000, (), None, 10, None),
    "put": ("put and get of a small value", 50_000, (), None, 20, None),
    "wait": ("wait over 1,000 references, one at a time", 10_000, (), None, 10, None),
    "queued": ("1,000,000 queued empty tasks", 1_000_000, (), None, 10, None),
    "up": ("3 nodes up and ready", 1, (), None, 10, None),
}
RAY_COUNTS = {"sync": 2_000, "async": 20_000, "clients": 40_000, "put": 2_000, "wait": 10_000,
              "queued": 100_000, "up": 1}
LIMITS = {"sleep": "both sleep at once", "spin": "both look again for 20 us",
          "batch": "1,000 under way, 100 to a write"}


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

    def measure(self, what, count):
        command = [self.command, "run", os.path.join(HERE, "real.lua"), "--on", "local", "--pace",
                   "1", "-q", "--no-check", "--", what, str(count)]
        if what == "up":
            return {"seconds": self.time_up(command)}
        said, _, peak = run(command)
        return {"per_s": float(said), "peak_mib": peak / 1024}

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
            subprocess.run([self.python, "-m", "pip", "install", "--quiet", "ray"], check=True,
                           capture_output=True, timeout=TIMEOUT)
        except (OSError, subprocess.SubprocessError):
            self.why = "could not be installed"
            return
        if not self.has_it():
            self.why = "was installed and cannot be used"

    def has_it(self):
        try:
            return subprocess.run([self.python, "-c", "import ray"], capture_output=True,
                                  check=False).returncode == 0
        except OSError:
            return False

    def version(self):
        return subprocess.run([self.python, "-c", "import ray; print(ray.__version__)"],
                              capture_output=True, text=True, check=True).stdout.strip()

    def measure(self, what, count):
        said, _, peak = run([self.python, os.path.join(HERE, "real_ray.py"), what, str(count)])
        figure = float(said.strip().splitlines()[-1])
        return {"seconds": figure} if what == "up" else {"per_s": figure, "peak_mib": peak / 1024}


def bare(build, mode):
    said, _, _ = run([os.path.join(build, "tests", "bench", "bench_exchange"), mode, "1"])
    return json.loads(said)["per_s"]


def median(turns, who, key):
    values = [turn[who][key] for turn in turns if key in turn.get(who, {})]
    return statistics.median(values) if values else None


def ratio(turns, of, to, key="per_s"):
    """The median over the turns of what @of has for one of @to; time is less where it is better."""
    values = [turn[of][key] / turn[to][key] for turn in turns
              if key in turn.get(of, {}) and key in turn.get(to, {})]
    values = [1 / value for value in values] if key == "seconds" else values
    return statistics.median(values) if values else None


def measure(options, mobula, ray, name):
    _, count, limits, _, _, _ = WORKLOADS[name]
    scale = 10 if options.quick else 1
    turns = []
    for _ in range(options.runs):
        turn = {"mobula": mobula.measure(name, max(count // scale, 1))}
        if limits:
            turn["limit"] = {"per_s": max(bare(options.build, mode) for mode in limits)}
        if ray is not None and ray.why is None:
            try:
                turn["ray"] = ray.measure(name, max(RAY_COUNTS[name] // scale, 1))
            except (RuntimeError, ValueError, subprocess.SubprocessError) as error:
                turn["ray_failed"] = str(error)
        turns.append(turn)
        print(json.dumps({"workload": name, **turn}), file=sys.stderr, flush=True)
    return turns


def number(value):
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.3f}"


def verdict(value, required):
    if required is None or value is None:
        return number(value)
    return f"{number(value)} {'✓' if value >= required else '✗'} (of {number(required)})"


def row(name, turns, ray):
    what, _, limits, share, times, least = WORKLOADS[name]
    key = "seconds" if name == "up" else "per_s"
    own = median(turns, "mobula", key)
    theirs = median(turns, "ray", key)
    if theirs is None:
        other = "not asked for" if ray is None else ray.why or "failed"
    else:
        other = number(theirs) + (" s" if name == "up" else "/s")
    of_limit = verdict(ratio(turns, "mobula", "limit"), share) if limits else "-"
    mine = f"{own * 1000:.0f} ms {'✓' if own <= 0.15 else '✗'} (of 150)" if name == "up" else \
        verdict(own, least) + "/s"
    return [what, mine, other, verdict(ratio(turns, "mobula", "ray", key), times), of_limit]


def print_table(results, ray):
    print(f"\n{results['date']}   {results['cpus']} x {results['cpu']}   "
          f"load {results['load'][0]:.1f} to {results['load'][1]:.1f}   Ray {results['ray']}\n")
    rows = [["", "Mobula", "Ray", "times Ray", "of the limit"]]
    rows += [row(name, turns, ray) for name, turns in results["workloads"].items()]
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    for line in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    for mode, per_s in results["limits"].items():
        print(f"limit: a request and a reply, {LIMITS[mode]}: {number(per_s)}/s")
    peak = median(results["workloads"].get("queued", []), "mobula", "peak_mib")
    if peak is not None:
        print(f"memory of the driver with all tasks queued: {number(peak)} MiB "
              f"{'✓' if peak < 2048 else '✗'} (of 2,048)")


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def arguments():
    parser = argparse.ArgumentParser(description="Mobula on real processes next to Ray.")
    parser.add_argument("build")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, once")
    parser.add_argument("--ray", metavar="FOLDER", help="where Ray is, or is to be installed")
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--json", metavar="FILE", help="where to; default: BUILD/real.json")
    options = parser.parse_args()
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"no workload is called {unknown[0]}; there are {', '.join(WORKLOADS)}")
    options.workloads = options.workloads or list(WORKLOADS)
    options.build = os.path.abspath(options.build)
    options.runs = 1 if options.quick else options.runs
    return options


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="mobula-bench-") as folder:
        ray = None if options.no_ray else Ray(options.ray or os.path.join(folder, "ray"))
        mobula = Mobula(options.build)
        load = os.getloadavg()[0]
        results = {"date": datetime.datetime.now().isoformat(timespec="seconds"),
                   "cpu": cpu_name(), "cpus": os.cpu_count(),
                   "ray": "not asked for" if ray is None else ray.why or ray.version(),
                   "limits": {mode: bare(options.build, mode) for mode in LIMITS},
                   "workloads": {name: measure(options, mobula, ray, name)
                                 for name in options.workloads}}
        results["load"] = [load, os.getloadavg()[0]]
    with open(options.json or os.path.join(options.build, "real.json"), "w",
              encoding="utf-8") as file:
        json.dump(results, file, indent=1, ensure_ascii=False)
    print_table(results, ray)


if __name__ == "__main__":
    main()
