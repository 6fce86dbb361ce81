/* The built-in functions of the language. */
#ifndef BUILTINS_H
#define BUILTINS_H

#include "arena.h"
#include "diag.h"
#include "value.h"

typedef struct {
    Arena *arena;   /* for new strings */
    Strbuf *output; /* what the program prints */
    Diag *diag;
    int line; /* of the call */
} CallContext;

struct Builtin {
    const char *name;
    int arity;
    Value (*call)(CallContext *context, const Value *arguments);
};

int builtin_count(void);
const Builtin *builtin_at(int index);
/* Returns the index of a function, or -1 if there is none of that name. */
int builtin_find(Text name);

#endif
