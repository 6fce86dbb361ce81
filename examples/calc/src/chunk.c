#include "chunk.h"

#include <string.h>

/* Makes room for one more than `count` things. The old memory stays in the arena. */
static void *grown(Arena *arena, void *old, int count, int *capacity, size_t size) {
    if (count < *capacity)
        return old;
    *capacity = *capacity > 0 ? *capacity * 2 : 8;
    void *room = arena_alloc(arena, (size_t)*capacity * size);
    if (count > 0)
        memcpy(room, old, (size_t)count * size);
    return room;
}

int chunk_emit(Function *function, Arena *arena, Opcode op, int operand, int line) {
    function->code = grown(arena, function->code, function->length, &function->capacity, sizeof(Instruction));
    function->code[function->length] = (Instruction){.op = op, .operand = operand, .line = line};
    return function->length++;
}

int chunk_constant(Function *function, Arena *arena, Value value) {
    for (int i = 0; i < function->constant_count; i++)
        if (value_equal(function->constants[i], value))
            return i;
    function->constants =
        grown(arena, function->constants, function->constant_count, &function->constant_capacity, sizeof(Value));
    function->constants[function->constant_count] = value;
    return function->constant_count++;
}
