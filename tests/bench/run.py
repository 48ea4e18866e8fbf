#!/usr/bin/python3
"""Runs the benchmarks and says what was measured next to what is required.

    run.py BUILD [GROUP...] [--runs N] [--quick]

Groups are many-tasks, master, real, memory, start-up, seeds, journal, shm, store, wire, refs, live
and all;
table measures nothing and shows what there is. What a benchmark program prints, one JSON object a
line, is passed on; the results
are collected in BUILD/bench.json, from run to run. Rates are per second of CPU
time of a process that is pinned to one core, medians over --runs runs; where
two programs are compared, their runs take turns, so that both meet the same
neighbours. What waits for the disk counts by the wall clock.
"""
import argparse
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORKERS = (10, 100, 1000)


class Bench:
    """One session: where the programs are, and the rows that came out."""

    def __init__(self, options):
        self.build = os.path.abspath(options.build)
        self.runs = options.runs
        self.scale = 10 if options.quick else 1
        self.rows = []

    def path(self, program):
        return os.path.join(self.build, "tests", "bench", program)

    def command(self):
        return os.path.join(self.build, "cli", "mobula")

    def run(self, program, *args):
        """Runs a benchmark program and returns the object that it printed."""
        command = [self.path(program)] + [str(arg) for arg in args]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=True)
        print(done.stdout, end="", flush=True)
        return json.loads(done.stdout)

    def row(self, what, value, required, unit, at_most=False):
        """Notes a result; required is None where nothing is."""
        ok = required is None or (value <= required if at_most else value >= required)
        self.rows.append({"what": what, "value": value, "required": required, "unit": unit,
                          "at_most": at_most, "ok": ok})


def median(samples, key):
    return statistics.median(sample[key] for sample in samples)


def many_tasks(bench):
    cases = ((10, 1000, 200_000, None), (1000, 10_000, 150_000, 2048))
    for machines, window, rate, memory in cases:
        where = f"{machines} machines x 4 cores"
        tasks = 1_000_000 // bench.scale
        samples = [bench.run("bench_tasks", machines, 4, tasks, window)
                   for _ in range(bench.runs)]
        bench.row(f"many-tasks, {where}", median(samples, "tasks_per_s"), rate, "tasks/s")
        bench.row(f"simulated events, {where}", median(samples, "events_per_s"), 1_000_000,
                  "events/s")
        if memory is not None:
            peak = max(sample["peak_kib"] for sample in samples) / 1024
            bench.row(f"peak memory, {where}", peak, memory, "MiB", at_most=True)


def memory(bench):
    sample = bench.run("bench_tasks", 10, 4, 1_000_000 // bench.scale, 1000, "keep")
    bench.row("memory per finished task whose result is referenced",
              sample["heap_bytes_per_task"], 1023, "bytes", at_most=True)


def against_simgrid(bench, program, name, tasks, times, rate):
    """Runs take turns; SimGrid's faster setting counts."""
    if not os.path.exists(bench.path("bench_simgrid")):
        print("not compared to SimGrid, which was not there when this was built: "
              "apt-get install libsimgrid-dev, meson setup --reconfigure", file=sys.stderr)
    for workers in WORKERS:
        ours, theirs = [], []
        for _ in range(bench.runs):
            ours.append(bench.run(program, workers, tasks // bench.scale))
            if os.path.exists(bench.path("bench_simgrid")):
                theirs.append(max((bench.run("bench_simgrid", workers, 100_000 // bench.scale, cross)
                                   for cross in (0, 1)), key=lambda run: run["tasks_per_s"]))
        bench.row(f"{name}, {workers} workers", median(ours, "tasks_per_s"), rate, "tasks/s")
        if theirs:
            ratio = statistics.median(one["tasks_per_s"] / other["tasks_per_s"]
                                      for one, other in zip(ours, theirs))
            bench.row(f"the same against SimGrid's {median(theirs, 'tasks_per_s'):,.0f}", ratio,
                      times, "times")


def same_end(bench, workers):
    """The same work must end at the same virtual time. Our master sends through one network
    card, SimGrid's has a link for each worker: a difference below 1 % at 1,000 workers."""
    ours = bench.run("bench_master", workers, 100_000)["virtual_s"]
    theirs = bench.run("bench_simgrid", workers, 100_000, 0)["virtual_s"]
    bench.row(f"the same: virtual time, {workers} workers, off by", abs(ours / theirs - 1) * 100, 1,
              "%", at_most=True)


def master(bench):
    against_simgrid(bench, "bench_master", "bare master-worker", 1_000_000, 8, 800_000)
    if os.path.exists(bench.path("bench_simgrid")):
        for workers in WORKERS:
            same_end(bench, workers)


def real(bench):
    against_simgrid(bench, "bench_real", "the same as real tasks", 300_000, 2, None)


def start_up(bench):
    """From process start to exit, trace and picture written."""
    scenario = os.path.join(SOURCE, "scenarios", "kill-task-2.lua")
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(1 + 5 * bench.runs):
            begun = time.monotonic()
            subprocess.run([bench.command(), "run", scenario], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            samples.append((time.monotonic() - begun) * 1000)
        picture = os.path.join(folder, "runs", "kill-task-2", "0", "lineage.svg")
        assert os.path.getsize(picture) > 0
    took = statistics.median(samples[1:])
    print(json.dumps({"bench": "start-up", "wall_ms": round(took, 1)}), flush=True)
    bench.row("kill-task-2 from start to exit", took, 150, "ms", at_most=True)


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seeds(bench):
    count = 1000 // bench.scale
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(bench.runs):
            begun = children_cpu()
            subprocess.run([bench.command(), "test", os.path.join(SOURCE, "tests/bench/chaos.lua"),
                            "--seeds", str(count), "-j", "1", "--quiet"], cwd=folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            rates.append(count / (children_cpu() - begun))
    rate = statistics.median(rates)
    print(json.dumps({"bench": "seeds", "seeds": count, "seeds_per_s": round(rate)}), flush=True)
    bench.row("seeds of 20 tasks on 3 machines, chaos, all properties", rate, 200, "seeds/s")


def journal(bench):
    """On the disk of the build folder: that of temporary files may be memory."""
    for records in (1, 100):
        samples = []
        for _ in range(bench.runs):
            with tempfile.TemporaryDirectory(dir=bench.build) as folder:
                samples.append(bench.run("bench_journal", folder, records, 500 // bench.scale))
        what = f"commits of {records} record{'s' if records > 1 else ''} of 256 bytes"
        bench.row(what, median(samples, "commits_per_s"), None, "commits/s")
        bench.row("the same against as many bytes written and synced",
                  statistics.median(sample["commits_per_s"] / sample["bare_commits_per_s"]
                                    for sample in samples), None, "times")


def shm(bench):
    for mib in (100, 800):
        samples = [bench.run("bench_shm", mib, 3 if bench.scale > 1 else 9)
                   for _ in range(bench.runs)]
        size = f"{mib} MiB"
        bench.row(f"put of {size} against memcpy, bytes", median(samples, "put_ratio"), 0.8, "times")
        bench.row(f"the same, m.bytes, at {median(samples, 'put_rule_gbps'):.1f} GB/s",
                  median(samples, "put_rule_ratio"), 0.8, "times")
        bench.row(f"get of {size} in shared memory", median(samples, "get_us") / 1000, 1, "ms",
                  at_most=True)


def store(bench):
    """What a driver waits for on real processes, by the clock of the wall, best of 20 in each run."""
    program = os.path.join(SOURCE, "tests/bench/store.lua")
    samples = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(bench.runs):
            out = subprocess.run([bench.command(), "run", program, "--on", "local", "--pace", "1", "-q"],
                                 cwd=folder, check=True, stdout=subprocess.PIPE).stdout
            samples.append(json.loads(out))
            print(json.dumps({"bench": "store", **samples[-1]}), flush=True)
    bench.row("m.put of 100 MiB, m.bytes", median(samples, "put_gbps"), None, "GB/s")
    bench.row("m.get of 100 MiB that are on this machine", median(samples, "get_us") / 1000, 1, "ms",
              at_most=True)


def wire(bench):
    """Both ends share the core, so the rate is what both together take of it."""
    for tls in ("", "tls"):
        samples = [bench.run("bench_wire", 1000 // bench.scale, tls) for _ in range(bench.runs)]
        what = "1 GB over loopback TCP" + (" with TLS" if tls else "")
        bench.row(what, median(samples, "gb_per_cpu_s"), None, "GB/s")
        bench.row("the same against " + ("bare GnuTLS" if tls else "a bare socket"),
                  statistics.median(sample["gb_per_cpu_s"] / sample["bare_gb_per_cpu_s"]
                                    for sample in samples), 0.7, "times")


NESTED = 10_000


def real_refs(bench, *words):
    """What refs.lua says of itself on real processes, by the clock of the wall."""
    program = os.path.join(SOURCE, "tests/bench/refs.lua")
    with tempfile.TemporaryDirectory() as folder:
        out = subprocess.run([bench.command(), "run", program, "--on", "local", "--pace", "1", "-q",
                              "--no-check", "--"] + [str(word) for word in words],
                             cwd=folder, check=True, stdout=subprocess.PIPE).stdout
    print(json.dumps({"bench": "refs", "what": words[0], "count": words[1],
                      "per_s": float(out)}), flush=True)
    return float(out)


def refs(bench):
    samples = [bench.run("bench_refs", "nested", NESTED, 40) for _ in range(bench.runs)]
    bench.row(f"get of {NESTED:,} references, borrower and owner on one core",
              median(samples, "gets_per_cpu_s"), None, "gets/s")
    bench.row("memory per borrowed reference", median(samples, "bytes_per_ref"), 199, "bytes",
              at_most=True)
    kinds = {"own": "the caller's", "known": "a worker's, registered", "strange": "to be registered"}
    for what, whose in kinds.items():
        rates = [real_refs(bench, what, NESTED, 20) for _ in range(bench.runs)]
        bench.row(f"get of {NESTED:,} references on sockets, {whose}", statistics.median(rates), 100,
                  "gets/s")


def live(bench):
    """How much more it costs among very many than among few; the runs take turns."""
    for stored, counts in (("", (1000, 100_000, 1_000_000)), ("stored", (1000, 100_000, 1_000_000))):
        words = [stored] if stored else []
        samples = [[bench.run("bench_refs", "live", count, *words) for count in counts]
                   for _ in range(bench.runs)]
        where = "in a store" if stored else "with their owner"
        for key in ("put_ns", "get_ns", "drop_ns"):
            ratio = statistics.median(turn[-1][key] / turn[0][key] for turn in samples)
            bench.row(f"{key[:-3]} among {counts[-1]:,} against {counts[0]:,}, {where}", ratio, 2,
                      "times", at_most=True)
            bench.row(f"the same of any one of them, {samples[0][-1]['old_' + key]:,.0f} ns",
                      statistics.median(turn[-1]["old_" + key] / turn[0]["old_" + key]
                                        for turn in samples), None, "times")
        bench.row(f"news of a node's death among {counts[-1]:,}, {where}",
                  statistics.median(turn[-1]["node_death_ms"] for turn in samples), None, "ms")
    rates = [[real_refs(bench, "live", count, 40) for count in (1000, 1_000_000)]
             for _ in range(bench.runs)]
    bench.row("put, get and drop of one more on sockets, 1,000,000 against 1,000",
              statistics.median(few / many for few, many in rates), 2, "times", at_most=True)


GROUPS = {"many-tasks": many_tasks, "master": master, "real": real, "memory": memory,
          "start-up": start_up, "seeds": seeds, "journal": journal, "shm": shm, "store": store,
          "wire": wire, "refs": refs, "live": live}


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return "unknown CPU"


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.3g}"


def print_table(results):
    print(f"\n{results['date']}   {results['cpus']} x {results['cpu']}   {results['compiler']}   "
          f"pinned to core {results['pinned_to']}, load {results['load']:.1f}")
    print(f"{'':56} {'measured':>12} {'required':>14}")
    for group in results["groups"].values():
        for row in group:
            required = "-"
            if row["required"] is not None:
                required = ("at most " if row["at_most"] else "") + number(row["required"])
            mark = " " if row["ok"] else "✗"
            print(f"{row['what']:56} {number(row['value']):>12} {required:>14} {row['unit']} {mark}")


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)["groups"]
    except (OSError, ValueError, KeyError):
        return {}


def main():
    parser = argparse.ArgumentParser(description="Runs the benchmarks.")
    parser.add_argument("build")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS) + ", table or all")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, once")
    parser.add_argument("--compiler", default="unknown compiler")
    options = parser.parse_args()
    chosen = options.groups or ["all"]
    if options.quick:
        options.runs = 1
    unknown = [name for name in chosen if name not in GROUPS and name not in ("all", "table")]
    if unknown:
        parser.error(f"no group is called {unknown[0]}; there are {', '.join(GROUPS)}, table and all")

    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    path = os.path.join(options.build, "bench.json")
    results = {"date": datetime.datetime.now().isoformat(timespec="seconds"), "cpu": cpu_name(),
               "cpus": os.cpu_count(), "pinned_to": core, "compiler": options.compiler,
               "load": os.getloadavg()[0], "groups": load(path)}
    for name, measure in GROUPS.items():
        if name not in chosen and "all" not in chosen:
            continue
        bench = Bench(options)
        measure(bench)
        results["groups"][name] = bench.rows
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1, ensure_ascii=False)
    print_table(results)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
