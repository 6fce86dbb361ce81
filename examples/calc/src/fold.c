#include "fold.h"

#include <math.h>

static void become(Expr *expr, Value value) {
    *expr = (Expr){.kind = EXPR_LITERAL, .line = expr->line, .value = value, .next = expr->next};
}

static void fold_numbers(Expr *expr, double a, double b) {
    switch (expr->op) {
    case TOKEN_PLUS: become(expr, value_number(a + b)); break;
    case TOKEN_MINUS: become(expr, value_number(a - b)); break;
    case TOKEN_STAR: become(expr, value_number(a * b)); break;
    case TOKEN_CARET: become(expr, value_number(pow(a, b))); break;
    case TOKEN_SLASH:
        if (b != 0) /* otherwise the program fails when it gets there */
            become(expr, value_number(a / b));
        break;
    default: break;
    }
}

static bool is_number(const Expr *expr) {
    return expr->kind == EXPR_LITERAL && expr->value.kind == VALUE_NUMBER;
}

void fold_expr(Expr *expr) {
    if (expr->left != NULL)
        fold_expr(expr->left);
    for (Expr *right = expr->right; right != NULL; right = right->next)
        fold_expr(right);
    if (expr->kind == EXPR_BINARY && is_number(expr->left) && is_number(expr->right))
        fold_numbers(expr, expr->left->value.as.number, expr->right->value.as.number);
    else if (expr->kind == EXPR_UNARY && expr->op == TOKEN_MINUS && is_number(expr->right))
        become(expr, value_number(-expr->right->value.as.number));
    else if (expr->kind == EXPR_UNARY && expr->op == TOKEN_NOT && expr->right->kind == EXPR_LITERAL)
        become(expr, value_bool(!value_is_true(expr->right->value)));
}

void fold_program(Stmt *first) {
    for (Stmt *stmt = first; stmt != NULL; stmt = stmt->next) {
        if (stmt->expr != NULL)
            fold_expr(stmt->expr);
        fold_program(stmt->body);
        fold_program(stmt->other);
    }
}
