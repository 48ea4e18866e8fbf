/* clusters.c: see clusters.h. */
#include "cli/clusters.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

enum {
    NAME_MAX_LENGTH = 32,
    CLUSTERS_MAX = 1000,
};

static const char group[] = "cluster";

/* --- the folder --- */

static bool
is_private(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           (info.st_mode & 0077) == 0;
}

/* (transfer full) */
static char *
make_folder(GError **error)
{
    const char *runtime = g_getenv("XDG_RUNTIME_DIR");
    char *path = NULL;

    if (runtime != NULL && *runtime == '/' && g_file_test(runtime, G_FILE_TEST_IS_DIR))
        path = g_build_filename(runtime, "mobula", NULL);
    else
        path = g_strdup_printf("/tmp/mobula-%u", (unsigned)geteuid());
    if ((mkdir(path, 0700) == 0 || errno == EEXIST) && is_private(path))
        return path;
    g_set_error(error, MOB_CLUSTERS_ERROR, 0,
                "%s cannot be used: it has to be a folder of yours that nobody else can enter "
                "(or set XDG_RUNTIME_DIR to one)",
                path);
    g_free(path);
    return NULL;
}

/* The locked file, or -1. It is not inherited. */
static int
take_lock(const char *path, int flags)
{
    struct stat info;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);

    if (fd < 0)
        return -1;
    /* Somebody may have taken it for a leftover and removed it meanwhile. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0 && info.st_nlink > 0)
        return fd;
    close(fd);
    return -1;
}

static char *
socket_of(const char *folder, const char *name)
{
    return g_strdup_printf("%s/%s.sock", folder, name);
}

static char *
file_of(const char *folder, const char *name)
{
    return g_strdup_printf("%s/%s.ini", folder, name);
}

/* --- one's own place --- */

static bool
is_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= NAME_MAX_LENGTH &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               length;
}

static bool
try_enter(const char *folder, const char *name, MobClusterPlace *place)
{
    g_autofree char *file = file_of(folder, name);
    int lock = take_lock(file, O_CREAT);

    if (lock < 0 || ftruncate(lock, 0) != 0)
        return false;
    place->name = g_strdup(name);
    place->socket = socket_of(folder, name);
    place->file = g_steal_pointer(&file);
    place->lock = lock;
    unlink(place->socket); /* of one that was killed */
    return true;
}

bool
mob_clusters_enter(const char *name, MobClusterPlace *place, GError **error)
{
    g_autofree char *folder = make_folder(error);

    *place = (MobClusterPlace){0};
    if (folder == NULL)
        return false;
    if (name != NULL && !is_name(name)) {
        g_set_error(error, MOB_CLUSTERS_ERROR, 0,
                    "--name %s: letters, digits, - and _ are expected, at most %d", name,
                    NAME_MAX_LENGTH);
        return false;
    }
    if (name != NULL && try_enter(folder, name, place))
        return true;
    for (int i = 1; name == NULL && i < CLUSTERS_MAX; i++) {
        g_autofree char *free_name = g_strdup_printf("c%d", i);
        if (try_enter(folder, free_name, place))
            return true;
    }
    if (name != NULL)
        g_set_error(error, MOB_CLUSTERS_ERROR, 0,
                    "a cluster named %s runs already; mobula stop --address %s ends it", name,
                    name);
    else
        g_set_error(error, MOB_CLUSTERS_ERROR, 0, "cannot write in %s: %s", folder,
                    g_strerror(errno));
    return false;
}

bool
mob_clusters_publish(const MobClusterPlace *place, int64_t nodes, const char *head,
                     const char *logs, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    gsize length = 0;

    g_key_file_set_string(file, group, "address", place->socket);
    g_key_file_set_string(file, group, "version", MOBULA_VERSION);
    g_key_file_set_int64(file, group, "pid", getpid());
    g_key_file_set_int64(file, group, "nodes", nodes);
    if (head != NULL)
        g_key_file_set_string(file, group, "head", head);
    if (logs != NULL)
        g_key_file_set_string(file, group, "logs", logs);
    g_key_file_set_int64(file, group, "started_us", g_get_real_time());
    g_autofree char *text = g_key_file_to_data(file, &length, NULL);
    if (pwrite(place->lock, text, length, 0) == (ssize_t)length)
        return true;
    g_set_error(error, MOB_CLUSTERS_ERROR, 0, "cannot write %s: %s", place->file,
                g_strerror(errno));
    return false;
}

void
mob_clusters_leave(MobClusterPlace *place)
{
    if (place->lock != 0) {
        unlink(place->socket);
        unlink(place->file);
        close(place->lock);
    }
    g_free(place->name);
    g_free(place->socket);
    g_free(place->file);
    *place = (MobClusterPlace){0};
}

/* --- others --- */

void
mob_cluster_info_free(void *data)
{
    MobClusterInfo *info = data;

    if (info == NULL)
        return;
    g_free(info->name);
    g_free(info->socket);
    g_free(info->version);
    g_free(info->head);
    g_free(info->logs);
    g_free(info);
}

/* NULL if nobody is there, or not yet. */
static MobClusterInfo *
read_info(const char *folder, const char *name)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *path = file_of(folder, name);
    g_autofree char *socket = socket_of(folder, name);
    int lock = take_lock(path, 0);

    if (lock >= 0) { /* its observer is dead */
        unlink(socket);
        unlink(path);
        close(lock);
        return NULL;
    }
    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, NULL))
        return NULL;
    MobClusterInfo *info = g_new0(MobClusterInfo, 1);
    info->name = g_strdup(name);
    info->socket = g_steal_pointer(&socket);
    info->version = g_key_file_get_string(file, group, "version", NULL);
    info->pid = (pid_t)g_key_file_get_int64(file, group, "pid", NULL);
    info->head = g_key_file_get_string(file, group, "head", NULL);
    info->logs = g_key_file_get_string(file, group, "logs", NULL);
    info->nodes = g_key_file_get_int64(file, group, "nodes", NULL);
    info->started_us = g_key_file_get_int64(file, group, "started_us", NULL);
    if (info->pid > 0)
        return info;
    mob_cluster_info_free(info);
    return NULL;
}

static int
by_age(const void *a, const void *b)
{
    const MobClusterInfo *left = *(MobClusterInfo *const *)a;
    const MobClusterInfo *right = *(MobClusterInfo *const *)b;

    if (left->started_us != right->started_us)
        return left->started_us < right->started_us ? -1 : 1;
    return strcmp(left->name, right->name);
}

GPtrArray *
mob_clusters_list(GError **error)
{
    g_autofree char *folder = make_folder(error);
    g_autoptr(GDir) dir = folder != NULL ? g_dir_open(folder, 0, error) : NULL;
    const char *file;

    if (dir == NULL)
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func(mob_cluster_info_free);
    while ((file = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_suffix(file, ".ini"))
            continue;
        g_autofree char *name = g_strndup(file, strlen(file) - strlen(".ini"));
        MobClusterInfo *info = read_info(folder, name);
        if (info != NULL)
            g_ptr_array_add(list, info);
    }
    g_ptr_array_sort(list, by_age);
    return list;
}

bool
mob_clusters_runs(const MobClusterInfo *info)
{
    g_autofree char *folder = g_path_get_dirname(info->socket);
    MobClusterInfo *now = read_info(folder, info->name);
    bool runs = now != NULL && now->pid == info->pid && now->started_us == info->started_us;

    mob_cluster_info_free(now);
    return runs;
}

/* "c1, c2" */
static char *
names_of(const GPtrArray *list)
{
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < list->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "",
                               ((const MobClusterInfo *)g_ptr_array_index(list, i))->name);
    return g_string_free(names, FALSE);
}

static MobClusterInfo *
pick_named(MobTerm *term, GPtrArray *list, const char *address)
{
    g_autofree char *names = names_of(list);

    for (guint i = 0; i < list->len; i++) {
        const MobClusterInfo *info = g_ptr_array_index(list, i);
        if (strcmp(info->name, address) == 0 || strcmp(info->socket, address) == 0)
            return g_ptr_array_steal_index(list, i);
    }
    if (strchr(address, ':') != NULL) {
        MobClusterInfo *far = g_new0(MobClusterInfo, 1);
        far->name = g_strdup(address);
        far->head = g_strdup(address);
        return far;
    }
    if (list->len == 0)
        mob_term_complain(term, "there is no cluster %s, none is running", address);
    else
        mob_term_complain(term, "there is no cluster %s; running: %s", address, names);
    if (list->len == 0)
        mob_term_complain(term, "next: mobula up --local 3");
    return NULL;
}

MobClusterInfo *
mob_clusters_find(MobTerm *term, const char *address)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = mob_clusters_list(&error);

    if (list == NULL) {
        mob_term_complain(term, "%s", error->message);
        return NULL;
    }
    if (address == NULL)
        address = g_getenv("MOBULA_ADDRESS");
    if (address != NULL && *address != '\0')
        return pick_named(term, list, address);
    if (list->len == 0) {
        mob_term_complain(term, "no cluster is running");
        mob_term_complain(term, "next: mobula up --local 3");
        return NULL;
    }
    if (list->len > 1) {
        g_autofree char *names = names_of(list);
        const MobClusterInfo *newest = g_ptr_array_index(list, list->len - 1);
        mob_term_say(term, "%u clusters run (%s); this is %s, the newest. --address picks another",
                     list->len, names, newest->name);
    }
    return g_ptr_array_steal_index(list, list->len - 1);
}
