"""The workloads of real.py for Ray. Prints one figure."""
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


WORK = {"sync": sync, "async": bursts, "clients": clients, "put": put, "wait": wait,
        "queued": burst}


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
    ray.init(address="local", num_cpus=6, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
    burst(min(n, 1000))
    if what == "clients":
        clients(4000)
    begun = time.monotonic()
    WORK[what](n)
    print(f"{n / (time.monotonic() - begun):.3f}")
    ray.shutdown()


main()
