/* A clock on the wall that is wrong by as many seconds as stand in the file $SHIM_CLOCK. Preloaded (LD_PRELOAD). */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int answer = syscall(SYS_clock_gettime, clock, time);
    const char *path = getenv("SHIM_CLOCK");
    if (answer == 0 && clock == CLOCK_REALTIME && path) {
        char text[32] = {0};
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            if (syscall(SYS_read, fd, text, sizeof text - 1) > 0) time->tv_sec += atol(text);
            syscall(SYS_close, fd);
        }
    }
    return answer;
}
