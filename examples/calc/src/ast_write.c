#include "ast.h"

/* Returns the name of a token without the quotes that it has in messages. */
static void write_op(Strbuf *buffer, TokenKind op) {
    Text name = text_from(token_kind_name(op));
    strbuf_add(buffer, name.bytes + 1, name.length - 2);
}

static void write_literal(Strbuf *buffer, Value value) {
    const char *quote = value.kind == VALUE_STRING ? "\"" : "";
    strbuf_printf(buffer, "%s", quote);
    value_write(buffer, value);
    strbuf_printf(buffer, "%s", quote);
}

static void write_call(Strbuf *buffer, const Expr *call) {
    strbuf_printf(buffer, "(");
    ast_write_expr(buffer, call->left);
    for (const Expr *argument = call->right; argument != NULL; argument = argument->next) {
        strbuf_printf(buffer, " ");
        ast_write_expr(buffer, argument);
    }
    strbuf_printf(buffer, ")");
}

void ast_write_expr(Strbuf *buffer, const Expr *expr) {
    switch (expr->kind) {
    case EXPR_LITERAL: write_literal(buffer, expr->value); break;
    case EXPR_NAME: strbuf_add(buffer, expr->name.bytes, expr->name.length); break;
    case EXPR_CALL: write_call(buffer, expr); break;
    case EXPR_ASSIGN:
        strbuf_printf(buffer, "(= %.*s ", (int)expr->name.length, expr->name.bytes);
        ast_write_expr(buffer, expr->right);
        strbuf_printf(buffer, ")");
        break;
    case EXPR_UNARY:
    case EXPR_BINARY:
    case EXPR_LOGIC:
        strbuf_printf(buffer, "(");
        write_op(buffer, expr->op);
        if (expr->left != NULL) {
            strbuf_printf(buffer, " ");
            ast_write_expr(buffer, expr->left);
        }
        strbuf_printf(buffer, " ");
        ast_write_expr(buffer, expr->right);
        strbuf_printf(buffer, ")");
        break;
    }
}
