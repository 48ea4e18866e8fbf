/* jail.c: see jail.h.
 *
 * The filter of system calls names what is refused, not what is allowed: it
 * has to let through whatever GLib, SQLite, the C library of tomorrow and the
 * libraries of a body call. A build with sanitizers has no filter, because
 * they look for leaks by a process that traces this one.
 */
#include "net/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef MOB_HAS_SECCOMP
#include <seccomp.h>
#endif

enum {
    FILES_MAX = 4096, /* a line to every process of a machine, and what bodies open */
};

/* --- limits --- */

/* Nobody reads the core of somebody else's program, and it may be as large as
 * memory. How many processes there are is counted by user, not by worker, so
 * that is not limited here: the filter lets no process be made. */
static void
set_limits(void)
{
    struct rlimit none = {0, 0};
    struct rlimit files;

    setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_max = MIN(files.rlim_max, FILES_MAX);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* When memory runs out the system ends whoever has most of it, and those with
 * user code first: never the daemon, with whom all of a machine would go. */
static int
go_first(void)
{
    static const char score[] = "500";
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    int code = file >= 0 && write(file, score, strlen(score)) > 0 ? 0 : -errno;

    if (file >= 0)
        close(file);
    return code;
}

/* --- capabilities --- */

static int
drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

    /* Nothing that is started later can get one back: no new privileges. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -errno;
    return syscall(SYS_capset, &head, none) == 0 ? 0 : -errno;
}

/* --- system calls --- */

#ifdef MOB_HAS_SECCOMP

/* Refused whatever their arguments. Names that an architecture or an older
 * libseccomp does not know are passed over. */
static const char *const refused[] = {
    /* other processes: to make them, to become them, to look into them */
    "fork",
    "vfork",
    "execve",
    "execveat",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "kcmp",
    "pidfd_getfd",
    "pidfd_send_signal",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "tkill",
    "move_pages",
    "migrate_pages",
    "perf_event_open",
    /* whoever connects to a worker knows it by the name of its socket: there are no others */
    "listen",
    /* the tree of files */
    "mount",
    "umount",
    "umount2",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "pivot_root",
    "chroot",
    "open_by_handle_at",
    "swapon",
    "swapoff",
    "quotactl",
    "quotactl_fd",
    "fanotify_init",
    /* the machine */
    "reboot",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "acct",
    "syslog",
    "sethostname",
    "setdomainname",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "iopl",
    "ioperm",
    "vhangup",
    /* doors into the kernel that no body needs, and by which many have broken in */
    "bpf",
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "keyctl",
    "add_key",
    "request_key",
    "personality",
    "modify_ldt",
    "unshare",
    "setns",
    "uselib",
    "lookup_dcookie",
    "nfsservctl",
    "vmsplice",
};

/* Refused with some arguments. */
static int
refuse_some(scmp_filter_ctx filter)
{
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    const scmp_datum_t me = (scmp_datum_t)getpid();
    int bad = 0;

    /* Threads are made, processes are not. The flags of clone3 cannot be seen
     * from here; the C library then takes clone. */
    bad |= seccomp_rule_add(filter, refuse, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    /* Nobody is signalled but oneself (abort does); and a worker dies with its daemon. */
    bad |= seccomp_rule_add(filter, refuse, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_NE, me));
    bad |= seccomp_rule_add(filter, refuse, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, me));
    bad |= seccomp_rule_add(filter, refuse, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0));
    bad |= seccomp_rule_add(filter, refuse, SCMP_SYS(prctl), 1,
                            SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG));
    /* A terminal would take it for what its user has typed. */
    bad |= seccomp_rule_add(filter, refuse, SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));
    /* Sockets of this computer and of IP, and netlink, which tells what addresses there
     * are. What comes after them are doors too: packets, virtual machines, ciphers. Raw
     * ones of IP are refused for want of a capability. */
    bad |= seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
    return bad;
}

static int
load_filter(scmp_filter_ctx filter)
{
    int bad = refuse_some(filter);

    /* That of another architecture is made by nobody but who wants to get around this. */
    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        int number = seccomp_syscall_resolve_name(refused[i]);
        if (number >= 0)
            bad |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0);
    }
    return bad != 0 ? -EINVAL : seccomp_load(filter);
}

static int
refuse_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    if (filter == NULL)
        return -ENOMEM;
    int code = load_filter(filter);
    seccomp_release(filter);
    return code;
}

#else

static int
refuse_calls(void)
{
    return 0;
}

#endif

static void
try(const char *name, const char *what, int code)
{
    if (code != 0)
        g_printerr("mobula: %s: cannot give up %s: %s\n", name, what, g_strerror(-code));
}

void
mob_jail_enter(const char *name)
{
    set_limits();
    try(name, "its place among those who may use up memory", go_first());
    try(name, "capabilities", drop_capabilities());
    try(name, "system calls", refuse_calls());
}
