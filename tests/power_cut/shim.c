/* Writes down, in order, every call with which a program changes files below $SHIM_ROOT, to the file $SHIM_LOG.
 *
 * Preloaded into one process (LD_PRELOAD). A record is a line, and behind that of a write the bytes:
 *
 *     open FD PATH          close FD            sync FD
 *     create PATH           truncate FD LENGTH  extend FD LENGTH
 *     write FD OFFSET LENGTH\n BYTES
 *     rename FROM<NUL>TO    link FROM<NUL>TO    unlink PATH    mkdir PATH    rmdir PATH
 *
 * One lock is held during the call and its record, so that the order of the records is that of the calls. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char root[4096];
static char ours[FDS];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("SHIM_LOG"), *below = getenv("SHIM_ROOT");
    if (!path || !below) return;
    snprintf(root, sizeof root, "%s", below);
    log_fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void put(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        long n = syscall(SYS_write, log_fd, at, length);
        if (n <= 0) _exit(99);
        at += n;
        length -= n;
    }
}

static void record(const char *format, ...) {
    char line[9000];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    line[length++] = '\n';
    put(line, length);
}

static void record_two(const char *what, const char *from, const char *to) {
    char line[9000];
    int length = snprintf(line, sizeof line, "%s %s", what, from) + 1;
    length += snprintf(line + length, sizeof line - length, "%s\n", to);
    put(line, length);
}

/* The absolute path; whether it is ours. */
static int resolve(int dir, const char *path, char *full) {
    if (log_fd < 0) return 0;
    if (path[0] == '/') {
        snprintf(full, 4096, "%s", path);
    } else {
        char base[4096], link[64];
        ssize_t n;
        if (dir == AT_FDCWD) {
            snprintf(link, sizeof link, "/proc/self/cwd");
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
        }
        n = readlink(link, base, sizeof base - 1);
        if (n < 0) return 0;
        base[n] = 0;
        snprintf(full, 4096, "%.2000s/%.2000s", base, path);
    }
    size_t length = strlen(root);
    return strncmp(full, root, length) == 0 && (full[length] == '/' || full[length] == 0);
}

static int known(int fd) { return log_fd >= 0 && fd >= 0 && fd < FDS && ours[fd]; }

static int open_any(int dir, const char *path, int flags, mode_t mode) {
    char full[4096];
    if (!resolve(dir, path, full)) return syscall(SYS_openat, dir, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat before;
    int was = fstatat(dir, path, &before, 0) == 0;
    int fd = syscall(SYS_openat, dir, path, flags, mode), e = errno;
    if (fd >= 0 && fd < FDS) {
        ours[fd] = 1;
        if (!was) record("create %s", full);
        record("open %d %s", fd, full);
        if (was && (flags & O_TRUNC)) record("truncate %d 0", fd);
    }
    pthread_mutex_unlock(&lock);
    errno = e;
    return fd;
}

#define MODE(flags, mode) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list args; \
        va_start(args, flags); \
        mode = va_arg(args, int); \
        va_end(args); \
    }

int open(const char *path, int flags, ...) { MODE(flags, mode) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags, mode) return open_any(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags, mode) return open_any(dir, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* Runs CALL and, if it succeeded, RECORD. */
#define BOTH(condition, type, call, what) \
    if (!(condition)) return call; \
    pthread_mutex_lock(&lock); \
    type result = call; \
    int e = errno; \
    if (result >= 0) { what; } \
    pthread_mutex_unlock(&lock); \
    errno = e; \
    return result

int close(int fd) { BOTH(known(fd), int, syscall(SYS_close, fd), ours[fd] = 0; record("close %d", fd)); }
int fsync(int fd) { BOTH(known(fd), int, syscall(SYS_fsync, fd), record("sync %d", fd)); }
int fdatasync(int fd) { BOTH(known(fd), int, syscall(SYS_fdatasync, fd), record("sync %d", fd)); }
int ftruncate(int fd, off_t to) { BOTH(known(fd), int, syscall(SYS_ftruncate, fd, to), record("truncate %d %ld", fd, (long)to)); }
int ftruncate64(int fd, off64_t to) { return ftruncate(fd, to); }

static int allocate(int fd, int mode, off_t at, off_t length) {
    BOTH(known(fd) && !(mode & FALLOC_FL_KEEP_SIZE), int, syscall(SYS_fallocate, fd, mode, at, length),
         record("extend %d %ld", fd, (long)(at + length)));
}
int fallocate(int fd, int mode, off_t at, off_t length) { return allocate(fd, mode, at, length); }
int fallocate64(int fd, int mode, off64_t at, off64_t length) { return allocate(fd, mode, at, length); }
int posix_fallocate(int fd, off_t at, off_t length) { return allocate(fd, 0, at, length) < 0 ? errno : 0; }
int posix_fallocate64(int fd, off64_t at, off64_t length) { return posix_fallocate(fd, at, length); }

static void wrote(int fd, const void *bytes, ssize_t n, off_t at) {
    record("write %d %ld %ld", fd, (long)at, (long)n);
    put(bytes, n);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    BOTH(known(fd), ssize_t, syscall(SYS_write, fd, bytes, length), wrote(fd, bytes, result, lseek(fd, 0, SEEK_CUR) - result));
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
    BOTH(known(fd), ssize_t, syscall(SYS_pwrite64, fd, bytes, length, at), wrote(fd, bytes, result, at));
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return pwrite(fd, bytes, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!known(fd)) return syscall(SYS_writev, fd, parts, count);
    ssize_t all = 0;
    for (int i = 0; i < count; i++) {
        ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0) return all > 0 ? all : n;
        all += n;
        if ((size_t)n < parts[i].iov_len) break;
    }
    return all;
}

static int rename_any(int a, const char *from, int b, const char *to) {
    char f[4096], t[4096];
    int of = resolve(a, from, f), ot = resolve(b, to, t);
    BOTH(of && ot, int, syscall(SYS_renameat, a, from, b, to), record_two("rename", f, t));
}
int rename(const char *from, const char *to) { return rename_any(AT_FDCWD, from, AT_FDCWD, to); }
int renameat(int a, const char *from, int b, const char *to) { return rename_any(a, from, b, to); }

int link(const char *from, const char *to) {
    char f[4096], t[4096];
    int of = resolve(AT_FDCWD, from, f), ot = resolve(AT_FDCWD, to, t);
    BOTH(of && ot, int, syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0), record_two("link", f, t));
}
int unlinkat(int dir, const char *path, int flags) {
    char full[4096];
    BOTH(resolve(dir, path, full), int, syscall(SYS_unlinkat, dir, path, flags),
         record(flags & AT_REMOVEDIR ? "rmdir %s" : "unlink %s", full));
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int mkdirat(int dir, const char *path, mode_t mode) {
    char full[4096];
    BOTH(resolve(dir, path, full), int, syscall(SYS_mkdirat, dir, path, mode), record("mkdir %s", full));
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }
