#include "builtins.h"

#include "builtin-table.h"
#include "builtin_functions.h"

static const Builtin table[] = {
#define X(name, arity) {#name, arity, builtin_##name},
    BUILTINS(X)
#undef X
};

int builtin_count(void) {
    return (int)(sizeof table / sizeof table[0]);
}

const Builtin *builtin_at(int index) {
    return &table[index];
}

int builtin_find(Text name) {
    for (int i = 0; i < builtin_count(); i++)
        if (text_equal(text_from(table[i].name), name))
            return i;
    return -1;
}
