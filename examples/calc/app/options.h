/* The parsed command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

typedef enum { ACTION_RUN, ACTION_DUMP, ACTION_REPL, ACTION_HELP } Action;

typedef struct {
    Action action;
    bool fold;
    const char *file;
} Options;

/* Returns false if the command line makes no sense. */
bool options_parse(Options *options, int count, char **arguments);

#endif
