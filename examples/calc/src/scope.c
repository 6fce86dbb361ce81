#include "scope.h"

int scope_declare(Scope *scope, Text name) {
    if (scope->count == MAX_VARIABLES)
        return -1;
    scope->variables[scope->count] = (Variable){.name = name, .depth = scope->depth};
    return scope->count++;
}

int scope_find(const Scope *scope, Text name) {
    for (int slot = scope->count - 1; slot >= 0; slot--)
        if (text_equal(scope->variables[slot].name, name))
            return slot;
    return -1;
}

bool scope_has_in_block(const Scope *scope, Text name) {
    const int slot = scope_find(scope, name);
    return slot >= 0 && scope->variables[slot].depth == scope->depth;
}

void scope_enter(Scope *scope) {
    scope->depth++;
}

int scope_leave(Scope *scope) {
    int ended = 0;
    while (scope->count > 0 && scope->variables[scope->count - 1].depth == scope->depth) {
        scope->count--;
        ended++;
    }
    scope->depth--;
    return ended;
}
