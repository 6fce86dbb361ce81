/* The first mistake that was found, and where. */
#ifndef DIAG_H
#define DIAG_H

#include <stdbool.h>

typedef struct {
    bool failed;
    int line;
    char message[160];
} Diag;

/* Keeps the mistake if it is the first. */
void diag_report(Diag *diag, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
