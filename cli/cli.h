/* cli.h: what every verb of the command shares: its arguments, its flags, the
 * terminal, and how it ends.
 *
 * Everything Mobula says goes to stderr, what a program prints and what a
 * verb was asked for goes to stdout. A verb returns its exit code; only
 * main() ends the process.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/term.h"
#include "runtime/ids.h"

typedef enum {
    MOB_EXIT_OK = 0,
    MOB_EXIT_FAILED = 1,  /* a claim, a test or a job failed */
    MOB_EXIT_USAGE = 2,   /* bad input: a file, a script, an option, a place to write */
    MOB_EXIT_HANG = 3,    /* deadlock, livelock, limit reached */
    MOB_EXIT_DIFFERS = 4, /* not deterministic */
    MOB_EXIT_VACUOUS = 5, /* a fault that touched nothing, a sometimes that was never seen */
    MOB_EXIT_BUG = 70,    /* ours */
} MobExit;

/* Which flags a verb takes. */
typedef enum {
    MOB_FLAG_SEED = 1 << 0,
    MOB_FLAG_ON = 1 << 1,
    MOB_FLAG_AT = 1 << 2,
    MOB_FLAG_JSON = 1 << 3,
    MOB_FLAG_PLAIN = 1 << 4,
    MOB_FLAG_OUT = 1 << 5,
    MOB_FLAG_QUIET = 1 << 6,
    MOB_FLAG_VERBOSE = 1 << 7,
    MOB_FLAG_TRACE = 1 << 8,
    MOB_FLAG_NO_CHECK = 1 << 9,
    MOB_FLAG_LIMIT = 1 << 10,
    MOB_FLAG_SEEDS = 1 << 11,
    MOB_FLAG_JOBS = 1 << 12,
    MOB_FLAG_TAP = 1 << 13, /* and --junit */
    MOB_FLAG_GROUP = 1 << 14,
    MOB_FLAG_KEEP_GOING = 1 << 15,
    MOB_FLAG_DOT = 1 << 16,
    MOB_FLAG_FRAMES = 1 << 17,
    MOB_FLAG_EVENTS = 1 << 18,
    MOB_FLAG_BODY_LIMIT = 1 << 19,
    MOB_FLAG_CLUSTER = 1 << 20,
    MOB_FLAG_ALWAYS = 1 << 21, /* --color, --ascii, --help */
    MOB_FLAG_MAKE = 1 << 22,   /* how a cluster is made */
    MOB_FLAG_LOCAL = 1 << 23,
    MOB_FLAG_HEAD = 1 << 24,
    MOB_FLAG_ADDRESS = 1 << 25,
    MOB_FLAG_FOLLOW = 1 << 26,
    MOB_FLAG_ROWS = 1 << 27, /* --filter, --detail, --limit */
    MOB_FLAG_RUN = 1 << 28,
    MOB_FLAG_WIRE = 1 << 29, /* how machines meet */
    MOB_FLAG_KEYS = 1 << 30,
} MobFlag;

enum {
    MOB_PACE_DEFAULT = 10, /* the textbook's times leave no room for real processes */
};

/* What was given; texts are owned, NULL where nothing was given. */
typedef struct {
    char *seed_text;
    char *on;
    char *at;
    char *out;
    char *color;
    char *limit_text;
    char *body_limit_text;
    char *seeds_text;
    char *events_text;
    char *junit;
    char *frames;  /* the tasks to watch, "" for all */
    char *address; /* of a cluster */
    char *name;    /* of a cluster */
    char *store_text;
    char *memory_text;
    char *spill_dir;
    char *run; /* a run folder */
    char *rows_text;
    char *keep_text;
    char *group_by;
    char **filters;
    int jobs;
    int local; /* machines */
    int cpus;
    int pace;    /* of a real cluster, see net/clock.h */
    int cluster; /* 0 unless given */
    int verbose;
    gboolean json;
    gboolean plain;
    gboolean quiet;
    gboolean trace;
    gboolean no_check;
    char *token_file;
    char *certs;
    char *ca;
    char *listen;
    char *host;
    char *pin;
    char *retry_text;
    int port; /* 0 unless given */
    gboolean tap;
    gboolean keep_going;
    gboolean dot;
    gboolean ascii;
    gboolean help;
    gboolean detach;
    gboolean head;
    gboolean block;
    gboolean follow;
    gboolean detail;
    uint64_t seed;        /* 0 unless given: the textbook run */
    uint64_t seeds;       /* 0 unless given */
    uint64_t rows;        /* 0 unless given */
    uint64_t store;       /* bytes; 0 unless given */
    uint64_t memory;      /* likewise */
    uint64_t keep;        /* 0 unless given */
    uint64_t events_from; /* both 0 unless given */
    uint64_t events_to;
    MobTime limit;      /* MOB_TIME_NEVER unless given */
    MobTime body_limit; /* 0 unless given */
    MobTime retry;      /* 0 unless given */
} MobFlags;

typedef struct {
    char **words; /* what follows the verb, without flags; NULL at the end */
    int word_count;
    char **program_words; /* what follows "--" */
    MobFlags flags;
    MobTerm *term;
    const char *verb;
    const char *self; /* the file this command was started from */
} MobCli;

typedef struct {
    const char *name;
    const char *args;    /* "FILE [-- WORD…]" */
    uint32_t flags;      /* of MobFlag */
    const char *help;    /* one sentence */
    const char *example; /* one per line */
    MobExit (*run)(MobCli *cli);
} MobCommand;

/* All verbs; ends with a NULL name. */
const MobCommand *mob_commands(void);
/* The verb that may be meant by @name, or NULL. */
const char *mob_nearest_command(const char *name);

MobExit mob_cli_run(MobCli *cli);
MobExit mob_cli_test(MobCli *cli);
MobExit mob_cli_replay(MobCli *cli);
MobExit mob_cli_check(MobCli *cli);
MobExit mob_cli_daemon(MobCli *cli);
MobExit mob_cli_export(MobCli *cli);
MobExit mob_cli_new(MobCli *cli);
MobExit mob_cli_help(MobCli *cli);
MobExit mob_cli_version(MobCli *cli);
MobExit mob_cli_up(MobCli *cli);
MobExit mob_cli_start(MobCli *cli);
MobExit mob_cli_token(MobCli *cli);
MobExit mob_cli_cert(MobCli *cli);
MobExit mob_cli_stop(MobCli *cli);
MobExit mob_cli_job(MobCli *cli);
MobExit mob_cli_ask(MobCli *cli); /* status, list, get, memory, summary, logs, doctor */
MobExit mob_cli_sweep(MobCli *cli);

/* "local", "local+tcp" …: real processes that are made for the run. */
bool mob_is_local(const char *on);

/* Prints the page of one verb to stdout. */
void mob_help_command(MobTerm *term, const MobCommand *command);

/* Reads @argv, which begins with the verb, as @command's; on a mistake says
 * so and returns false. What it fills in is freed by mob_cli_clear(). */
bool mob_cli_parse(MobCli *cli, const MobCommand *command, char **argv);
void mob_cli_clear(MobCli *cli);

/* "20ms", "1.5s", "3us", "250ns" or plain seconds; "@57" is not a time. */
bool mob_parse_time(const char *text, MobTime *time);

/* Returns which of @names (NULL at the end) is meant by @name, or NULL if none
 * of them is near. */
const char *mob_nearest(const char *name, const char *const *names);
