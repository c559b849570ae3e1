/* Preloaded into a process: counts its calls that change files of one directory, and lets one of them go wrong.
 *
 *   FAULTS_UNDER  the directory
 *   FAULTS_LIST   where each point is listed, a line "CALL FILE" each
 *   FAULTS_AT     the point that goes wrong, from 1; 0 for none
 *   FAULTS_KIND   kill: SIGKILL before the call; torn: half of the write, then SIGKILL; power: SIGKILL before the call,
 *                 and every write that was not synced since is undone; eio, enospc: the call fails with that error
 *
 *   FAULTS_WHEN   a file; while it is there, what stands in it befalls every call: enospc, eio, erofs (writes and syncs
 *                 fail), slow (a sync takes 2 s more), hang (a sync waits until the file is gone); a call that it befell
 *                 makes the file FAULTS_WHEN.met
 *
 * What a phone has heard (the file "heard") is neither torn nor undone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct undo {
    struct undo *before;
    char path[PATH_MAX];
    off_t offset, size;
    size_t length;
    char *bytes;
};
static struct undo *undos;
static long points;

static int is(const char *kind) {
    const char *wanted = getenv("FAULTS_KIND");
    return wanted && strcmp(wanted, kind) == 0;
}

static const char *named(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    const char *under = getenv("FAULTS_UNDER");
    return under && strncmp(path, under, strlen(under)) == 0 ? path : NULL;
}

static int heard(const char *path) {
    const char *end = strrchr(path, '/');
    return end && strcmp(end, "/heard") == 0;
}

static void die(void) {
    for (struct undo *undo = is("power") ? undos : NULL; undo; undo = undo->before) {
        int fd = open(undo->path, O_WRONLY);
        if (fd < 0) continue;
        syscall(SYS_pwrite64, fd, undo->bytes, undo->length, undo->offset);
        syscall(SYS_ftruncate, fd, undo->size);
        close(fd);
    }
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Whether every call goes wrong at the moment; then errno says how. */
static int befallen(const char *call) {
    char met[PATH_MAX], kind[16] = "";
    const char *when = getenv("FAULTS_WHEN");
    int syncs = strstr(call, "sync") != NULL, fd = when ? open(when, O_RDONLY) : -1;
    if (fd < 0) return 0;
    ssize_t got = syscall(SYS_read, fd, kind, sizeof kind - 1);
    close(fd);
    if (got <= 0 || (!syncs && (kind[0] == 's' || kind[0] == 'h'))) return 0;
    snprintf(met, sizeof met, "%s.met", when);
    close(open(met, O_WRONLY | O_CREAT, 0600));
    switch (kind[0] == 'e' ? kind[1] : kind[0]) {
    case 'n': errno = ENOSPC; return 1;
    case 'i': errno = EIO; return 1;
    case 'r': errno = EROFS; return 1;
    case 's': usleep(2000000); return 0;
    case 'h': while (access(when, F_OK) == 0) usleep(1000); return 0;
    }
    return 0;
}

/* Counts a point; whether the caller is to fail with errno. */
static int reached(const char *call, const char *path) {
    char line[PATH_MAX + 32];
    const char *list = getenv("FAULTS_LIST"), *at = getenv("FAULTS_AT"), *name = strrchr(path, '/');
    if (befallen(call)) return 1;
    points++;
    int fd = list ? open(list, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    if (fd >= 0) {
        int length = snprintf(line, sizeof line, "%s %s\n", call, name ? name + 1 : path);
        syscall(SYS_write, fd, line, length);
        close(fd);
    }
    if (!at || atol(at) != points) return 0;
    if (is("kill") || is("power")) die();
    if (is("eio") || is("enospc")) {
        errno = is("eio") ? EIO : ENOSPC;
        return 1;
    }
    return 0;
}

static int tears(void) {
    const char *at = getenv("FAULTS_AT");
    return is("torn") && at && atol(at) == points;
}

/* Keeps what a call is about to change. */
static void keep(const char *path, off_t offset, size_t length) {
    struct stat found;
    if (!is("power")) return;
    int fd = open(path, O_RDONLY);
    struct undo *undo = calloc(1, sizeof *undo);
    if (fd < 0 || !undo || fstat(fd, &found)) abort();
    snprintf(undo->path, PATH_MAX, "%s", path);
    undo->offset = offset, undo->size = found.st_size, undo->before = undos, undos = undo;
    undo->bytes = malloc(length + 1);
    if (!undo->bytes) abort();
    ssize_t got = syscall(SYS_pread64, fd, undo->bytes, length, offset);
    undo->length = got > 0 ? got : 0;
    close(fd);
}

static void synced(const char *path) {
    for (struct undo **at = &undos; *at;) {
        struct undo *undo = *at;
        if (strcmp(undo->path, path)) {
            at = &undo->before;
            continue;
        }
        *at = undo->before;
        free(undo->bytes);
        free(undo);
    }
}

static ssize_t put(int fd, const void *bytes, size_t length, off_t offset, int positioned) {
    char path[PATH_MAX];
    if (named(fd, path)) {
        off_t begin = positioned ? offset : lseek(fd, 0, SEEK_CUR);
        if (reached("write", path)) return -1;
        if (!heard(path)) {
            keep(path, begin, length);
            if (tears()) {
                syscall(SYS_pwrite64, fd, bytes, length / 2, begin);
                die();
            }
        }
    }
    return positioned ? syscall(SYS_pwrite64, fd, bytes, length, offset) : syscall(SYS_write, fd, bytes, length);
}

ssize_t write(int fd, const void *bytes, size_t length) { return put(fd, bytes, length, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return put(fd, bytes, length, offset, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t offset) { return put(fd, bytes, length, offset, 1); }

static int sync_by(long call, const char *name, int fd) {
    char path[PATH_MAX];
    int ours = named(fd, path) != NULL;
    if (ours && reached(name, path)) return -1;
    int result = syscall(call, fd);
    if (ours && result == 0) synced(path);
    return result;
}

int fsync(int fd) { return sync_by(SYS_fsync, "fsync", fd); }
int fdatasync(int fd) { return sync_by(SYS_fdatasync, "fdatasync", fd); }

int ftruncate(int fd, off_t size) {
    char path[PATH_MAX];
    struct stat found;
    if (named(fd, path)) {
        if (reached("ftruncate", path)) return -1;
        if (fstat(fd, &found) == 0 && found.st_size > size) keep(path, size, found.st_size - size);
    }
    return syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

int unlink(const char *path) {
    const char *under = getenv("FAULTS_UNDER");
    if (under && strncmp(path, under, strlen(under)) == 0 && reached("unlink", path)) return -1;
    return syscall(SYS_unlink, path);
}
