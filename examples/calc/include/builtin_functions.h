/* One C function for each built-in function of the language. */
#ifndef BUILTIN_FUNCTIONS_H
#define BUILTIN_FUNCTIONS_H

#include "builtin-table.h"
#include "builtins.h"

#define X(name, arity) Value builtin_##name(CallContext *context, const Value *arguments);
BUILTINS(X)
#undef X

/* Returns whether a value has that type; if not, that is a mistake in the program. */
bool builtin_expect(CallContext *context, Value value, ValueKind kind, const char *function);

#endif
