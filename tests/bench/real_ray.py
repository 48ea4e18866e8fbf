"""The workloads of real.py for Ray, as real.lua has them. Prints one figure."""
import statistics
import sys
import time

import ray


@ray.remote
def nop():
    return None


def burst(count):
    ray.get([nop.remote() for _ in range(count)])


def bursts(count):
    for left in range(count, 0, -1000):
        burst(min(left, 1000))


@ray.remote(num_cpus=0)
def client(count):
    bursts(count)


def sync(n):
    for _ in range(n):
        ray.get(nop.remote())


def clients(n):
    ray.get([client.remote(n // 4) for _ in range(4)])


def put(n):
    for i in range(n):
        ray.get(ray.put(i))


def wait(n):
    for _ in range(n // 1000):
        refs = [nop.remote() for _ in range(1000)]
        while refs:
            _, refs = ray.wait(refs)


def settled(count, once):
    took = [once() for _ in range(count)]
    return statistics.median(took[count // 2:])


def values(megabytes):
    import numpy  # what Ray puts and gets without copying it twice
    return numpy.ones(megabytes * 1_000_000, dtype=numpy.uint8)


def put_large(megabytes):
    value = values(megabytes)

    def once():
        begun = time.monotonic()
        ref = ray.put(value)
        took = time.monotonic() - begun
        del ref
        return took
    return megabytes / 1000 / settled(8 if megabytes > 400 else 16, once)


def get_large(megabytes):
    value = values(megabytes)

    def once():
        ref = ray.put(value)
        begun = time.monotonic()
        got = ray.get(ref)
        assert got[-1] == 1
        return time.monotonic() - begun
    return settled(16, once)


@ray.remote(resources={"far": 1})
def length(value):
    return len(value)


def wire(megabytes):
    """Two nodes on this machine, over loopback TCP, without TLS."""
    from ray.cluster_utils import Cluster
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    cluster.add_node(num_cpus=2, resources={"far": 1})
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    value = values(megabytes)

    def once():
        ref = ray.put(value)
        begun = time.monotonic()
        ray.get(length.remote(ref))
        return time.monotonic() - begun
    rate = megabytes / 1000 / settled(16, once)
    ray.shutdown()
    cluster.shutdown()
    return rate


WORK = {"sync": sync, "async": bursts, "clients": clients, "put": put, "wait": wait,
        "queued": burst}
LARGE = {"put_large": put_large, "get_large": get_large}


def up():
    from ray.cluster_utils import Cluster
    begun = time.monotonic()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    for _ in range(2):
        cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, logging_level="ERROR")
    while len([n for n in ray.nodes() if n["Alive"]]) < 3:
        time.sleep(0.001)
    took = time.monotonic() - begun
    ray.shutdown()
    cluster.shutdown()
    return took


def main():
    what, n = sys.argv[1], int(sys.argv[2])
    if what == "up":
        print(f"{up():.3f}")
        return
    if what == "wire":
        print(f"{wire(n):.9f}")
        return
    ray.init(address="local", num_cpus=6, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
    if what in LARGE:
        print(f"{LARGE[what](n):.9f}")
        ray.shutdown()
        return
    burst(min(n, 1000))
    if what == "clients":
        clients(4000)
    begun = time.monotonic()
    WORK[what](n)
    print(f"{n / (time.monotonic() - begun):.3f}")
    ray.shutdown()


main()
