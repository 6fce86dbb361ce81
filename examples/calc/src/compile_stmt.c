#include "compile.h"

static void compile_list(Compiler *compiler, const Stmt *first);

int compile_emit(Compiler *compiler, Opcode op, int operand, int line) {
    return chunk_emit(compiler->function, compiler->arena, op, operand, line);
}

void compile_patch(Compiler *compiler, int position) {
    compiler->function->code[position].operand = compiler->function->length;
}

static int declare(Compiler *compiler, Scope *scope, Text name, int line) {
    if (scope_has_in_block(scope, name))
        diag_report(compiler->diag, line, "`%.*s` is declared twice", (int)name.length, name.bytes);
    const int slot = scope_declare(scope, name);
    if (slot < 0)
        diag_report(compiler->diag, line, "too many variables");
    return slot;
}

static void compile_let(Compiler *compiler, const Stmt *stmt) {
    compile_expr(compiler, stmt->expr);
    if (compiler->locals != NULL) {
        declare(compiler, compiler->locals, stmt->name, stmt->line); /* the value on the stack is the variable */
        return;
    }
    compile_emit(compiler, OP_STORE_GLOBAL, scope_find(compiler->globals, stmt->name), stmt->line);
    compile_emit(compiler, OP_POP, 0, stmt->line);
}

static void compile_fn(Compiler *compiler, const Stmt *stmt) {
    if (compiler->locals != NULL || compiler->globals->depth > 0) {
        diag_report(compiler->diag, stmt->line, "a function stands inside of something else");
        return;
    }
    Function *function = ARENA_NEW(compiler->arena, Function);
    function->name = stmt->name;
    function->arity = stmt->count;
    Scope *locals = ARENA_NEW(compiler->arena, Scope);
    Compiler inner = *compiler;
    inner.locals = locals;
    inner.function = function;
    for (const Param *param = stmt->params; param != NULL; param = param->next)
        declare(&inner, locals, param->name, stmt->line);
    compile_list(&inner, stmt->body);
    compile_emit(&inner, OP_NIL, 0, stmt->line);
    compile_emit(&inner, OP_RETURN, 0, stmt->line);
    const Value value = {.kind = VALUE_FUNCTION, .as.function = function};
    compile_emit(compiler, OP_CONST, chunk_constant(compiler->function, compiler->arena, value), stmt->line);
    compile_emit(compiler, OP_STORE_GLOBAL, scope_find(compiler->globals, stmt->name), stmt->line);
    compile_emit(compiler, OP_POP, 0, stmt->line);
}

static void compile_return(Compiler *compiler, const Stmt *stmt) {
    if (compiler->locals == NULL)
        diag_report(compiler->diag, stmt->line, "`return` stands outside of a function");
    if (stmt->expr != NULL)
        compile_expr(compiler, stmt->expr);
    else
        compile_emit(compiler, OP_NIL, 0, stmt->line);
    compile_emit(compiler, OP_RETURN, 0, stmt->line);
}

static void compile_block(Compiler *compiler, const Stmt *block) {
    if (compiler->locals == NULL) { /* outside functions, a block has no variables of its own */
        compiler->globals->depth++;
        compile_list(compiler, block->body);
        compiler->globals->depth--;
        return;
    }
    scope_enter(compiler->locals);
    compile_list(compiler, block->body);
    for (int ended = scope_leave(compiler->locals); ended > 0; ended--)
        compile_emit(compiler, OP_POP, 0, block->line);
}

static void compile_stmt(Compiler *compiler, const Stmt *stmt);

static void compile_if(Compiler *compiler, const Stmt *stmt) {
    compile_expr(compiler, stmt->expr);
    const int is_false = compile_emit(compiler, OP_JUMP_IF_FALSE, 0, stmt->line);
    compile_emit(compiler, OP_POP, 0, stmt->line);
    compile_stmt(compiler, stmt->body);
    const int done = compile_emit(compiler, OP_JUMP, 0, stmt->line);
    compile_patch(compiler, is_false);
    compile_emit(compiler, OP_POP, 0, stmt->line);
    if (stmt->other != NULL)
        compile_stmt(compiler, stmt->other);
    compile_patch(compiler, done);
}

static void compile_while(Compiler *compiler, const Stmt *stmt) {
    const int start = compiler->function->length;
    compile_expr(compiler, stmt->expr);
    const int is_false = compile_emit(compiler, OP_JUMP_IF_FALSE, 0, stmt->line);
    compile_emit(compiler, OP_POP, 0, stmt->line);
    compile_stmt(compiler, stmt->body);
    compile_emit(compiler, OP_JUMP, start, stmt->line);
    compile_patch(compiler, is_false);
    compile_emit(compiler, OP_POP, 0, stmt->line);
}

static void compile_stmt(Compiler *compiler, const Stmt *stmt) {
    switch (stmt->kind) {
    case STMT_LET: compile_let(compiler, stmt); break;
    case STMT_FN: compile_fn(compiler, stmt); break;
    case STMT_RETURN: compile_return(compiler, stmt); break;
    case STMT_IF: compile_if(compiler, stmt); break;
    case STMT_WHILE: compile_while(compiler, stmt); break;
    case STMT_BLOCK: compile_block(compiler, stmt); break;
    case STMT_EXPR:
        compile_expr(compiler, stmt->expr);
        compile_emit(compiler, OP_POP, 0, stmt->line);
        break;
    }
}

static void compile_list(Compiler *compiler, const Stmt *first) {
    for (const Stmt *stmt = first; stmt != NULL; stmt = stmt->next)
        compile_stmt(compiler, stmt);
}

/* Declares what is outside functions, also in blocks, so that functions can use what comes later. */
static void declare_globals(Compiler *compiler, const Stmt *first, bool outermost) {
    for (const Stmt *stmt = first; stmt != NULL; stmt = stmt->next) {
        if (stmt->kind == STMT_FN || stmt->kind == STMT_LET) {
            if (outermost || scope_find(compiler->globals, stmt->name) < 0)
                declare(compiler, compiler->globals, stmt->name, stmt->line);
        }
        if (stmt->kind != STMT_FN) {
            declare_globals(compiler, stmt->body, false);
            declare_globals(compiler, stmt->other, false);
        }
    }
}

Function *compile_program(Stmt *first, Scope *globals, Arena *arena, Diag *diag) {
    Compiler compiler = {.arena = arena, .diag = diag, .globals = globals, .function = ARENA_NEW(arena, Function)};
    compiler.function->name = text_from("main");
    declare_globals(&compiler, first, true);
    compile_list(&compiler, first);
    compile_emit(&compiler, OP_NIL, 0, 0);
    compile_emit(&compiler, OP_RETURN, 0, 0);
    return compiler.function;
}
