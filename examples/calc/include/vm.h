/* The machine that runs the code. */
#ifndef VM_H
#define VM_H

#include "arena.h"
#include "chunk.h"
#include "diag.h"
#include "scope.h"

enum { MAX_STACK = 4096, MAX_FRAMES = 512 };

typedef struct {
    const Function *function;
    int next; /* position of the next instruction */
    int base; /* position on the stack where the arguments begin */
} Frame;

typedef struct {
    Arena *arena;
    Diag *diag;
    Strbuf *output;
    Value globals[MAX_VARIABLES];
    Value stack[MAX_STACK];
    int height;
    Frame frames[MAX_FRAMES];
    int depth;
} Vm;

/* Runs a program to its end or to its first mistake. Global variables remain for the next program. */
void vm_run(Vm *vm, const Function *program);

/* What the parts of the machine share. */
void vm_fail(Vm *vm, const char *message);
void vm_push(Vm *vm, Value value);
Value vm_pop(Vm *vm);
/* Runs an instruction that takes operands and pushes one value. */
void vm_operate(Vm *vm, Opcode op);

#endif
