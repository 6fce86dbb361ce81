#include "builtins.h"
#include "compile.h"

static void compile_literal(Compiler *compiler, const Expr *expr) {
    switch (expr->value.kind) {
    case VALUE_NIL: compile_emit(compiler, OP_NIL, 0, expr->line); break;
    case VALUE_BOOL: compile_emit(compiler, expr->value.as.boolean ? OP_TRUE : OP_FALSE, 0, expr->line); break;
    default:
        compile_emit(compiler, OP_CONST, chunk_constant(compiler->function, compiler->arena, expr->value), expr->line);
    }
}

static void compile_name(Compiler *compiler, const Expr *expr) {
    int slot = compiler->locals != NULL ? scope_find(compiler->locals, expr->name) : -1;
    if (slot >= 0) {
        compile_emit(compiler, OP_LOAD_LOCAL, slot, expr->line);
    } else if ((slot = scope_find(compiler->globals, expr->name)) >= 0) {
        compile_emit(compiler, OP_LOAD_GLOBAL, slot, expr->line);
    } else if ((slot = builtin_find(expr->name)) >= 0) {
        compile_emit(compiler, OP_BUILTIN, slot, expr->line);
    } else {
        diag_report(compiler->diag, expr->line, "nothing is named `%.*s`", (int)expr->name.length, expr->name.bytes);
    }
}

static void compile_assign(Compiler *compiler, const Expr *expr) {
    compile_expr(compiler, expr->right);
    int slot = compiler->locals != NULL ? scope_find(compiler->locals, expr->name) : -1;
    if (slot >= 0)
        compile_emit(compiler, OP_STORE_LOCAL, slot, expr->line);
    else if ((slot = scope_find(compiler->globals, expr->name)) >= 0)
        compile_emit(compiler, OP_STORE_GLOBAL, slot, expr->line);
    else
        diag_report(compiler->diag, expr->line, "no variable is named `%.*s`", (int)expr->name.length,
                    expr->name.bytes);
}

static void compile_operator(Compiler *compiler, TokenKind op, int line) {
    switch (op) {
    case TOKEN_PLUS: compile_emit(compiler, OP_ADD, 0, line); break;
    case TOKEN_MINUS: compile_emit(compiler, OP_SUB, 0, line); break;
    case TOKEN_STAR: compile_emit(compiler, OP_MUL, 0, line); break;
    case TOKEN_SLASH: compile_emit(compiler, OP_DIV, 0, line); break;
    case TOKEN_PERCENT: compile_emit(compiler, OP_MOD, 0, line); break;
    case TOKEN_CARET: compile_emit(compiler, OP_POW, 0, line); break;
    case TOKEN_EQ:
    case TOKEN_NE: compile_emit(compiler, OP_EQ, 0, line); break;
    case TOKEN_LT:
    case TOKEN_GT: compile_emit(compiler, OP_LT, 0, line); break;
    case TOKEN_LE:
    case TOKEN_GE: compile_emit(compiler, OP_LE, 0, line); break;
    default: diag_report(compiler->diag, line, "%s is no operator", token_kind_name(op));
    }
    if (op == TOKEN_NE)
        compile_emit(compiler, OP_NOT, 0, line);
}

static void compile_binary(Compiler *compiler, const Expr *expr) {
    /* a > b is b < a: the machine has no instruction for it. */
    const bool swapped = expr->op == TOKEN_GT || expr->op == TOKEN_GE;
    compile_expr(compiler, swapped ? expr->right : expr->left);
    compile_expr(compiler, swapped ? expr->left : expr->right);
    compile_operator(compiler, expr->op, expr->line);
}

static void compile_logic(Compiler *compiler, const Expr *expr) {
    compile_expr(compiler, expr->left);
    const int is_false = compile_emit(compiler, OP_JUMP_IF_FALSE, 0, expr->line);
    if (expr->op == TOKEN_AND) {
        compile_emit(compiler, OP_POP, 0, expr->line);
        compile_expr(compiler, expr->right);
        compile_patch(compiler, is_false);
    } else {
        const int is_true = compile_emit(compiler, OP_JUMP, 0, expr->line);
        compile_patch(compiler, is_false);
        compile_emit(compiler, OP_POP, 0, expr->line);
        compile_expr(compiler, expr->right);
        compile_patch(compiler, is_true);
    }
}

void compile_expr(Compiler *compiler, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_LITERAL: compile_literal(compiler, expr); break;
    case EXPR_NAME: compile_name(compiler, expr); break;
    case EXPR_ASSIGN: compile_assign(compiler, expr); break;
    case EXPR_BINARY: compile_binary(compiler, expr); break;
    case EXPR_LOGIC: compile_logic(compiler, expr); break;
    case EXPR_UNARY:
        compile_expr(compiler, expr->right);
        compile_emit(compiler, expr->op == TOKEN_NOT ? OP_NOT : OP_NEG, 0, expr->line);
        break;
    case EXPR_CALL:
        compile_expr(compiler, expr->left);
        for (const Expr *argument = expr->right; argument != NULL; argument = argument->next)
            compile_expr(compiler, argument);
        compile_emit(compiler, OP_CALL, expr->count, expr->line);
        break;
    }
}
