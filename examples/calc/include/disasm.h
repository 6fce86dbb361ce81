/* Writes code in a readable form. */
#ifndef DISASM_H
#define DISASM_H

#include "chunk.h"

/* Appends a function and all functions among its constants. */
void disasm_function(Strbuf *buffer, const Function *function);

#endif
