/* From trees to code. */
#ifndef COMPILE_H
#define COMPILE_H

#include "ast.h"
#include "chunk.h"
#include "diag.h"
#include "scope.h"

typedef struct {
    Arena *arena;
    Diag *diag;
    Scope *globals;
    Scope *locals;      /* NULL outside functions, where all variables are global */
    Function *function; /* the one that is being written */
} Compiler;

/* Returns the code of a whole program. Adds its global variables to `globals`. */
Function *compile_program(Stmt *first, Scope *globals, Arena *arena, Diag *diag);

/* What the parts of the compiler share. */
void compile_expr(Compiler *compiler, const Expr *expr);
int compile_emit(Compiler *compiler, Opcode op, int operand, int line);
/* Makes the jump at that position lead to the next instruction. */
void compile_patch(Compiler *compiler, int position);

#endif
