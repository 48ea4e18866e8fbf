/* main.c: the mobula command: its verbs, and which of them was meant.
 *
 * Only this file and its neighbours know the world outside: files, the
 * terminal, other processes. The one mutable global of the whole command is
 * malloc's, which is set up here.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/watchdog.h"

#define RUN_FLAGS                                                                                  \
    (MOB_FLAG_SEED | MOB_FLAG_ON | MOB_FLAG_LIMIT | MOB_FLAG_JSON | MOB_FLAG_PLAIN |               \
     MOB_FLAG_QUIET | MOB_FLAG_VERBOSE | MOB_FLAG_TRACE | MOB_FLAG_NO_CHECK | MOB_FLAG_EVENTS |    \
     MOB_FLAG_BODY_LIMIT)

static const MobCommand commands[] = {
    {"run", "FILE [-- WORD…]", RUN_FLAGS,
     "Runs a scenario, a Lua program or a C program (.so) on a simulated cluster, or on real "
     "processes, and tells its story.",
     "run scenarios/kill-task-2.lua\nrun scenarios/kill-task-2.lua --on local\nrun wordcount.lua "
     "-- a.txt b.txt\nrun ./chain.so --seed 7",
     mob_cli_run},
    {"test", "[FILE…]",
     MOB_FLAG_SEED | MOB_FLAG_SEEDS | MOB_FLAG_JOBS | MOB_FLAG_TAP | MOB_FLAG_KEEP_GOING |
         MOB_FLAG_LIMIT | MOB_FLAG_NO_CHECK | MOB_FLAG_QUIET | MOB_FLAG_VERBOSE |
         MOB_FLAG_BODY_LIMIT,
     "Runs tests: spec/*_spec.lua, or the files and folders given; a scenario is one test.",
     "test\ntest spec/checkout_spec.lua --seeds 1000 -j 8\ntest --tap --junit junit.xml",
     mob_cli_test},
    {"replay", "[RUN-FOLDER|SEED]",
     MOB_FLAG_JSON | MOB_FLAG_PLAIN | MOB_FLAG_QUIET | MOB_FLAG_VERBOSE | MOB_FLAG_TRACE |
         MOB_FLAG_BODY_LIMIT,
     "Runs again what a run folder holds, or one seed of the last test, and compares the traces.",
     "replay runs/kill-task-2/0\nreplay 812", mob_cli_replay},
    {"check", "FILE [-- WORD…]",
     MOB_FLAG_SEED | MOB_FLAG_LIMIT | MOB_FLAG_QUIET | MOB_FLAG_VERBOSE | MOB_FLAG_BODY_LIMIT,
     "Runs a file twice under different conditions; both must give the same trace.",
     "check scenarios/kill-task-2.lua\ncheck scenarios/spot-fleet.lua --seed 7", mob_cli_check},
    {"export", "lineage [RUN-FOLDER]",
     MOB_FLAG_OUT | MOB_FLAG_DOT | MOB_FLAG_AT | MOB_FLAG_FRAMES | MOB_FLAG_CLUSTER,
     "Draws what a run computed, lost and replayed; the newest run unless one is given.",
     "export lineage -o lineage.svg\nexport lineage --at 28.6ms -o lost.pdf\n"
     "export lineage --frames T1,T2 -o frames/\nexport lineage --dot",
     mob_cli_export},
    {"new", "program|scenario|test NAME", 0, "Writes a small file to start from.",
     "new program wordcount\nnew scenario lose-a-node\nnew test checkout", mob_cli_new},
    {"up", "--local N", MOB_FLAG_LOCAL | MOB_FLAG_MAKE,
     "Starts a cluster of real processes on this machine, and ends all of it on Ctrl-C.",
     "up --local 3\nup --local 3 -d\nup --local 2 --cpus 4 --store 500MB --name lab", mob_cli_up},
    {"start", "--head|--address=HOST",
     MOB_FLAG_HEAD | MOB_FLAG_MAKE | MOB_FLAG_WIRE | MOB_FLAG_KEYS,
     "Starts the first machine of a cluster, or makes this one join it, in the background.",
     "start --head\nstart --address=alice\nstart --address=10.0.0.5:7979 --name bob --cpus 4 "
     "--retry 1min\nstart --head --block --listen 127.0.0.1 --name lab",
     mob_cli_start},
    {"token", "[new|copy HOST]", MOB_FLAG_KEYS,
     "Where the secret is that lets machines into a cluster; makes it, brings it to a machine "
     "(by ssh).",
     "token\ntoken new\ntoken copy bob", mob_cli_token},
    {"cert", "[init [FOLDER]|issue NAME FOLDER]", MOB_FLAG_KEYS,
     "The fingerprint of this machine; makes a private CA that vouches for machines, and their "
     "certificates.",
     "cert\ncert init\ncert issue bob bob-certs", mob_cli_cert},
    {"stop", "", MOB_FLAG_ADDRESS, "Ends a cluster, all of it.", "stop\nstop --address c2",
     mob_cli_stop},
    {"status", "", MOB_FLAG_ADDRESS | MOB_FLAG_JSON, "What a cluster is made of and what it does.",
     "status\nstatus --address c2", mob_cli_ask},
    {"job", "submit -- FILE [WORD…]|status J1|logs J1|stop J1|list",
     MOB_FLAG_ADDRESS | MOB_FLAG_FOLLOW | MOB_FLAG_JSON | MOB_FLAG_PLAIN,
     "Runs programs (.lua, .so) on a cluster, tells how they are doing, and ends them.",
     "job submit --follow -- wordcount.lua a.txt b.txt\njob submit -- ./chain.so\njob status J1\n"
     "job logs J1 -f\njob stop J1\njob list",
     mob_cli_job},
    {"list", "nodes|tasks|objects|workers|jobs",
     MOB_FLAG_ADDRESS | MOB_FLAG_ROWS | MOB_FLAG_RUN | MOB_FLAG_JSON | MOB_FLAG_PLAIN,
     "What there is in a cluster, or was in a run; also attempts, copies, refs.",
     "list nodes\nlist tasks -f state=RUNNING\nlist tasks -f job=J2 -f state!=FINISHED --limit "
     "1000\n"
     "list objects --run runs/kill-task-2/0 --detail\nlist refs -f object=O1 --at 8ms",
     mob_cli_ask},
    {"get", "tasks T2|objects O2|nodes n1|workers n1/w0|jobs J1",
     MOB_FLAG_ADDRESS | MOB_FLAG_RUN | MOB_FLAG_JSON,
     "All about one of them: attempts, copies, who holds it, its lineage, and of an object whether "
     "it can be made again.",
     "get tasks T2\nget objects O2\nget objects O3 --run runs/kill-task-2/0 --at 8ms", mob_cli_ask},
    {"memory", "",
     MOB_FLAG_ADDRESS | MOB_FLAG_ROWS | MOB_FLAG_GROUP | MOB_FLAG_RUN | MOB_FLAG_JSON |
         MOB_FLAG_PLAIN,
     "Every reference that keeps an object: who holds it, what for, how long, and the line of the "
     "program that made it.\n\n"
     "  local     a body or main has it          argument  OF a task that has not ended\n"
     "  nested    in the value OF an object      lineage   OF a task that may run again\n"
     "  borrowed  its owner counts that holder   pinned    m.pin has written it down\n"
     "  primary   the copy that a store keeps",
     "memory\nmemory --group-by line\nmemory -f kind=argument -f node=n1\n"
     "memory --at 8ms\nmemory --run runs/kill-task-2/0 --at @57 --group-by holder",
     mob_cli_ask},
    {"summary", "tasks|objects", MOB_FLAG_ADDRESS | MOB_FLAG_RUN | MOB_FLAG_JSON | MOB_FLAG_PLAIN,
     "How many tasks of each name, or objects made at each line, are in each state.",
     "summary tasks\nsummary objects --at 8ms", mob_cli_ask},
    {"logs", "J1|n1/w0", MOB_FLAG_ADDRESS | MOB_FLAG_FOLLOW | MOB_FLAG_JSON,
     "What a job has printed, or a process has written.", "logs J1 -f\nlogs n1/w0", mob_cli_ask},
    {"doctor", "", MOB_FLAG_ADDRESS | MOB_FLAG_JSON,
     "Which machine of a cluster cannot reach which, in which direction.", "doctor", mob_cli_ask},
    {"help", "[VERB|CODE]", 0, "Explains a verb, or an error by its code.", "help run\nhelp E103",
     mob_cli_help},
    {"version", "", MOB_FLAG_JSON, "Says which Mobula this is.", "version", mob_cli_version},
    {"_daemon", "", 0, NULL, NULL, mob_cli_daemon}, /* not for people */
    {"_sweep", "", 0, NULL, NULL, mob_cli_sweep},
    {0},
};

const MobCommand *
mob_commands(void)
{
    return commands;
}

const char *
mob_nearest_command(const char *name)
{
    const char *names[G_N_ELEMENTS(commands)] = {NULL};
    for (size_t i = 0; commands[i].name != NULL; i++)
        names[i] = commands[i].help != NULL ? commands[i].name : "";
    return mob_nearest(name, names);
}

static const MobCommand *
find(MobTerm *term, const char *name)
{
    for (const MobCommand *command = commands; command->name != NULL; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    const char *nearest = mob_nearest_command(name);
    if (*name == '-')
        mob_term_complain(term, "the verb comes first, then its options: mobula run FILE %s", name);
    else if (nearest != NULL)
        mob_term_complain(term, "there is no verb \"%s\"; did you mean \"mobula %s\"?", name,
                          nearest);
    else if (g_file_test(name, G_FILE_TEST_EXISTS))
        mob_term_complain(term, "there is no verb \"%s\"; did you mean \"mobula run %s\"?", name,
                          name);
    else
        mob_term_complain(term, "there is no verb \"%s\"", name);
    mob_term_complain(term, "next: mobula help");
    return NULL;
}

/* Memory that is given back to the kernel and faulted in again costs ten
 * times what malloc does. */
static void
keep_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
}

int
main(int argc, char **argv)
{
    MobTerm term;

    keep_memory();
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error of a write */
    mob_term_init(&term, NULL, false);
    const char *verb = argc > 1 ? argv[1] : "help";
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
        verb = "help";
    if (strcmp(verb, "--version") == 0 || strcmp(verb, "-V") == 0)
        verb = "version";
    const MobCommand *command = find(&term, verb);
    if (command == NULL)
        return MOB_EXIT_USAGE;

    MobCli cli = {.term = &term, .verb = command->name, .self = argv[0]};
    MobExit code = MOB_EXIT_USAGE;
    if (mob_cli_parse(&cli, command, argc > 1 ? argv + 1 : (char *[]){(char *)"help", NULL})) {
        if (cli.flags.help) {
            mob_help_command(&term, command);
            code = MOB_EXIT_OK;
        } else {
            if (cli.flags.body_limit != 0)
                mob_watchdog_set_patience(cli.flags.body_limit);
            code = command->run(&cli);
        }
    }
    mob_cli_clear(&cli);
    if (fflush(stdout) != 0 && code == MOB_EXIT_OK) {
        mob_term_complain(&term, "cannot write to stdout: %s", g_strerror(errno));
        code = MOB_EXIT_USAGE;
    }
    return code;
}
