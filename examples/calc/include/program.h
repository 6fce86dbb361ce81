/* Programs from their text to their output: what the library offers. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "diag.h"
#include "strbuf.h"

typedef struct Session Session;

/* A session remembers global variables from one source to the next. */
Session *session_new(bool fold);
void session_free(Session *session);
/* Runs a source; what it prints is added to `output`. */
Diag session_run(Session *session, Text source, Strbuf *output);
/* Adds the code of a source to `output` and does not run it. */
Diag session_dump(Session *session, Text source, Strbuf *output);

#endif
