/* bench_simgrid.cpp: what bench_master.c does, in SimGrid (S4U).
 *
 *     bench_simgrid WORKERS TASKS [CROSSTRAFFIC]
 *
 * Fair means: the network model that has no correction factors (CM02, factors
 * of 1), so that both end at the same virtual time; permanent receivers, so
 * that a transfer begins when it is sent; detached sends, so that nobody waits
 * for a transfer. CROSSTRAFFIC is 0 or 1, whichever is faster here.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include <simgrid/s4u.hpp>

namespace sg4 = simgrid::s4u;

static const uint64_t message_size = 100;
static const double work = 1e-3;
static const double speed = 1e9; /* flops per second */

static double
read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long
peak_kib()
{
    std::ifstream status("/proc/self/status");
    std::string line;

    while (std::getline(status, line))
        if (line.rfind("VmHWM:", 0) == 0)
            return std::atol(line.c_str() + 6);
    return 0;
}

static std::string
name_of(unsigned worker)
{
    return "w" + std::to_string(worker);
}

/* A message is the number of its worker plus one; NULL ends a worker. */
static void
send(sg4::Mailbox *mailbox, uintptr_t what)
{
    mailbox->put_init((void *)what, message_size)->detach();
}

static void
run_master(unsigned workers, uint64_t tasks)
{
    sg4::Mailbox *inbox = sg4::Mailbox::by_name("master");
    std::vector<sg4::Mailbox *> outboxes;
    uint64_t left = tasks;

    inbox->set_receiver(sg4::Actor::self());
    for (unsigned i = 0; i < workers; i++)
        outboxes.push_back(sg4::Mailbox::by_name(name_of(i)));
    for (unsigned i = 0; i < workers && left > 0; i++, left--)
        send(outboxes[i], i + 1);
    for (uint64_t done = 0; done < tasks; done++) {
        uintptr_t worker = (uintptr_t)inbox->get<void>();
        if (left == 0)
            continue;
        left--;
        send(outboxes[worker - 1], worker);
    }
    sg4::Actor::kill_all();
}

static void
run_worker(unsigned number)
{
    sg4::Mailbox *inbox = sg4::Mailbox::by_name(name_of(number));
    sg4::Mailbox *master = sg4::Mailbox::by_name("master");

    inbox->set_receiver(sg4::Actor::self());
    for (;;) {
        uintptr_t what = (uintptr_t)inbox->get<void>();
        sg4::this_actor::execute(work * speed);
        send(master, what);
    }
}

/* Every worker has a link of its own to the master. */
static void
make_cluster(unsigned workers)
{
    sg4::NetZone *zone = sg4::create_full_zone("cluster");
    sg4::Host *head = zone->create_host("head", speed);
    std::vector<sg4::Host *> hosts;

    for (unsigned i = 0; i < workers; i++) {
        sg4::Host *host = zone->create_host(name_of(i), speed);
        sg4::Link *link = zone->create_link("l" + std::to_string(i), 125e6);
        link->set_latency(50e-6)->seal();
        zone->add_route(head->get_netpoint(), host->get_netpoint(), nullptr, nullptr,
                        {sg4::LinkInRoute(link)}, true);
        hosts.push_back(host);
    }
    zone->seal();
    for (unsigned i = 0; i < workers; i++)
        sg4::Actor::create(name_of(i), hosts[i], run_worker, i);
}

int
main(int argc, char **argv)
{
    double wall = read_clock(CLOCK_MONOTONIC);
    double cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    sg4::Engine engine(&argc, argv);
    unsigned workers = argc > 1 ? (unsigned)std::atoi(argv[1]) : 10;
    uint64_t tasks = argc > 2 ? (uint64_t)std::atoll(argv[2]) : 100000;
    std::string crosstraffic = argc > 3 ? argv[3] : "0";

    sg4::Engine::set_config("network/model:CM02");
    sg4::Engine::set_config("network/latency-factor:1");
    sg4::Engine::set_config("network/bandwidth-factor:1");
    sg4::Engine::set_config("network/weight-S:0");
    sg4::Engine::set_config("network/crosstraffic:" + crosstraffic);
    make_cluster(workers);
    sg4::Actor::create("master", sg4::Host::by_name("head"), run_master, workers, tasks);
    engine.run();
    wall = read_clock(CLOCK_MONOTONIC) - wall;
    cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    std::printf("{\"bench\":\"simgrid\",\"workers\":%u,\"tasks\":%llu,\"crosstraffic\":%s,"
                "\"virtual_s\":%.6f,\"wall_s\":%.3f,\"cpu_s\":%.3f,\"tasks_per_s\":%.0f,"
                "\"peak_kib\":%ld}\n",
                workers, (unsigned long long)tasks, crosstraffic.c_str(), sg4::Engine::get_clock(),
                wall, cpu, (double)tasks / cpu, peak_kib());
    return 0;
}
