#include <stdlib.h>

#include "parser.h"

/* Returns how strongly an operator binds; 0 if the token is not an operator. */
static int precedence(TokenKind kind) {
    switch (kind) {
    case TOKEN_OR: return 1;
    case TOKEN_AND: return 2;
    case TOKEN_EQ:
    case TOKEN_NE: return 3;
    case TOKEN_LT:
    case TOKEN_LE:
    case TOKEN_GT:
    case TOKEN_GE: return 4;
    case TOKEN_PLUS:
    case TOKEN_MINUS: return 5;
    case TOKEN_STAR:
    case TOKEN_SLASH:
    case TOKEN_PERCENT: return 6;
    case TOKEN_CARET: return 8;
    default: return 0;
    }
}

enum { UNARY_PRECEDENCE = 7 };

static Expr *parse_binary(Parser *parser, int least);

static Expr *parse_number(Parser *parser) {
    Token token = parser_advance(parser);
    /* strtod needs an end, which a token in the middle of a source lacks. */
    const char *digits = arena_copy(parser->arena, token.text.bytes, token.text.length);
    return ast_literal(parser->arena, value_number(strtod(digits, NULL)), token.line);
}

static Expr *parse_string(Parser *parser) {
    Token token = parser_advance(parser);
    Text text = {arena_copy(parser->arena, token.text.bytes, token.text.length), token.text.length};
    return ast_literal(parser->arena, value_string(text), token.line);
}

static Expr *parse_constant(Parser *parser, Value value) {
    return ast_literal(parser->arena, value, parser_advance(parser).line);
}

static Expr *parse_name(Parser *parser) {
    Token token = parser_expect(parser, TOKEN_NAME);
    Expr *expr = ast_expr(parser->arena, EXPR_NAME, token.line);
    expr->name = token.text;
    return expr;
}

static Expr *parse_unary(Parser *parser) {
    Token token = parser_advance(parser);
    Expr *expr = ast_expr(parser->arena, EXPR_UNARY, token.line);
    expr->op = token.kind;
    expr->right = parse_binary(parser, UNARY_PRECEDENCE);
    return expr;
}

static Expr *parse_primary(Parser *parser) {
    switch (parser->token.kind) {
    case TOKEN_NUMBER: return parse_number(parser);
    case TOKEN_STRING: return parse_string(parser);
    case TOKEN_TRUE: return parse_constant(parser, value_bool(true));
    case TOKEN_FALSE: return parse_constant(parser, value_bool(false));
    case TOKEN_NIL: return parse_constant(parser, value_nil());
    case TOKEN_MINUS:
    case TOKEN_NOT: return parse_unary(parser);
    case TOKEN_LPAREN: {
        parser_advance(parser);
        Expr *inner = parse_expr(parser);
        parser_expect(parser, TOKEN_RPAREN);
        return inner;
    }
    default: return parse_name(parser);
    }
}

static Expr *parse_call(Parser *parser, Expr *callee) {
    Expr *call = ast_expr(parser->arena, EXPR_CALL, parser_advance(parser).line);
    call->left = callee;
    Expr **last = &call->right;
    while (parser->token.kind != TOKEN_RPAREN && parser->token.kind != TOKEN_END) {
        *last = parse_expr(parser);
        last = &(*last)->next;
        call->count++;
        if (!parser_accept(parser, TOKEN_COMMA))
            break;
    }
    parser_expect(parser, TOKEN_RPAREN);
    return call;
}

static Expr *parse_binary(Parser *parser, int least) {
    if (!parser_enter(parser))
        return ast_literal(parser->arena, value_nil(), parser->token.line);
    Expr *left = parse_primary(parser);
    while (parser->token.kind == TOKEN_LPAREN)
        left = parse_call(parser, left);
    while (precedence(parser->token.kind) >= least) {
        Token op = parser_advance(parser);
        const bool logic = op.kind == TOKEN_AND || op.kind == TOKEN_OR;
        const bool groups_right = op.kind == TOKEN_CARET;
        Expr *expr = ast_expr(parser->arena, logic ? EXPR_LOGIC : EXPR_BINARY, op.line);
        expr->op = op.kind;
        expr->left = left;
        expr->right = parse_binary(parser, precedence(op.kind) + (groups_right ? 0 : 1));
        left = expr;
    }
    parser_leave(parser);
    return left;
}

Expr *parse_expr(Parser *parser) {
    Expr *left = parse_binary(parser, 1);
    if (left->kind != EXPR_NAME || parser->token.kind != TOKEN_ASSIGN)
        return left;
    Expr *assign = ast_expr(parser->arena, EXPR_ASSIGN, parser_advance(parser).line);
    assign->name = left->name;
    if (!parser_enter(parser))
        return left;
    assign->right = parse_expr(parser);
    parser_leave(parser);
    return assign;
}
