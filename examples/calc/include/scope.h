/* Finds the variable that a name refers to. */
#ifndef SCOPE_H
#define SCOPE_H

#include <stdbool.h>

#include "text.h"

enum { MAX_VARIABLES = 256 };

typedef struct {
    Text name;
    int depth; /* depth of the block that declares it */
} Variable;

/* The variables of a function, or the global ones, in the order of their slots. */
typedef struct {
    Variable variables[MAX_VARIABLES];
    int count, depth;
} Scope;

/* Returns the slot of a new variable, or -1 if there are too many. */
int scope_declare(Scope *scope, Text name);
/* Returns the slot of the innermost variable of that name, or -1 if there is none. */
int scope_find(const Scope *scope, Text name);
bool scope_has_in_block(const Scope *scope, Text name);
void scope_enter(Scope *scope);
/* Ends a block. Returns the number of variables that end with it. */
int scope_leave(Scope *scope);

#endif
