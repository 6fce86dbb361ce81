/* The code of one function. */
#ifndef CHUNK_H
#define CHUNK_H

#include "arena.h"
#include "opcodes.h"
#include "value.h"

typedef struct {
    Opcode op;
    int operand;
    int line;
} Instruction;

struct Function {
    Text name;
    int arity;
    Instruction *code;
    int length, capacity;
    Value *constants;
    int constant_count, constant_capacity;
};

/* Appends an instruction. Returns its position. */
int chunk_emit(Function *function, Arena *arena, Opcode op, int operand, int line);
/* Returns the index of a constant, which is added if it is new. */
int chunk_constant(Function *function, Arena *arena, Value value);

#endif
