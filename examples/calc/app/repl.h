/* Runs lines from standard input, one at a time. */
#ifndef REPL_H
#define REPL_H

#include "program.h"

void repl_run(Session *session);

#endif
