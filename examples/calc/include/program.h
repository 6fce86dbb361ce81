/* Runs programs, from their text to their output: the interface of the library. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "diag.h"
#include "strbuf.h"

typedef struct Session Session;

/* A session remembers global variables from one source to the next. */
Session *session_new(bool fold);
void session_free(Session *session);
/* Runs a source, and appends what it prints to `output`. */
Diag session_run(Session *session, Text source, Strbuf *output);
/* Appends the code of a source to `output` without running it. */
Diag session_dump(Session *session, Text source, Strbuf *output);

#endif
