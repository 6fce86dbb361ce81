/* The first mistake that was found, and its place. */
#ifndef DIAG_H
#define DIAG_H

#include <stdbool.h>

typedef struct {
    bool failed;
    int line;
    char message[160];
} Diag;

/* Records the mistake if it is the first one. */
void diag_report(Diag *diag, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
