#include "ast.h"

Expr *ast_expr(Arena *arena, ExprKind kind, int line) {
    Expr *expr = ARENA_NEW(arena, Expr);
    expr->kind = kind;
    expr->line = line;
    return expr;
}

Expr *ast_literal(Arena *arena, Value value, int line) {
    Expr *expr = ast_expr(arena, EXPR_LITERAL, line);
    expr->value = value;
    return expr;
}

Stmt *ast_stmt(Arena *arena, StmtKind kind, int line) {
    Stmt *stmt = ARENA_NEW(arena, Stmt);
    stmt->kind = kind;
    stmt->line = line;
    return stmt;
}
