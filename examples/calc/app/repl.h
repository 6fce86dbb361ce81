/* Line by line from the standard input. */
#ifndef REPL_H
#define REPL_H

#include "program.h"

void repl_run(Session *session);

#endif
