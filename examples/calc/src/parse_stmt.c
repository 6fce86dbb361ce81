#include "parser.h"

static Stmt *parse_stmt(Parser *parser);

/* Parses statements up to a token of that kind, which is not consumed. */
static Stmt *parse_list(Parser *parser, TokenKind end) {
    Stmt *first = NULL, **last = &first;
    while (parser->token.kind != end && parser->token.kind != TOKEN_END) {
        *last = parse_stmt(parser);
        last = &(*last)->next;
    }
    return first;
}

static Stmt *parse_block(Parser *parser) {
    Stmt *block = ast_stmt(parser->arena, STMT_BLOCK, parser->token.line);
    parser_expect(parser, TOKEN_LBRACE);
    if (parser_enter(parser)) {
        block->body = parse_list(parser, TOKEN_RBRACE);
        parser_leave(parser);
    }
    parser_expect(parser, TOKEN_RBRACE);
    return block;
}

static Stmt *parse_let(Parser *parser) {
    Stmt *stmt = ast_stmt(parser->arena, STMT_LET, parser_advance(parser).line);
    stmt->name = parser_expect(parser, TOKEN_NAME).text;
    parser_expect(parser, TOKEN_ASSIGN);
    stmt->expr = parse_expr(parser);
    parser_expect(parser, TOKEN_SEMICOLON);
    return stmt;
}

static Stmt *parse_fn(Parser *parser) {
    Stmt *stmt = ast_stmt(parser->arena, STMT_FN, parser_advance(parser).line);
    stmt->name = parser_expect(parser, TOKEN_NAME).text;
    parser_expect(parser, TOKEN_LPAREN);
    Param **last = &stmt->params;
    while (parser->token.kind == TOKEN_NAME) {
        *last = ARENA_NEW(parser->arena, Param);
        (*last)->name = parser_advance(parser).text;
        last = &(*last)->next;
        stmt->count++;
        if (!parser_accept(parser, TOKEN_COMMA))
            break;
    }
    parser_expect(parser, TOKEN_RPAREN);
    stmt->body = parse_block(parser)->body;
    return stmt;
}

static Stmt *parse_return(Parser *parser) {
    Stmt *stmt = ast_stmt(parser->arena, STMT_RETURN, parser_advance(parser).line);
    if (parser->token.kind != TOKEN_SEMICOLON)
        stmt->expr = parse_expr(parser);
    parser_expect(parser, TOKEN_SEMICOLON);
    return stmt;
}

static Stmt *parse_if(Parser *parser) {
    Stmt *stmt = ast_stmt(parser->arena, STMT_IF, parser_advance(parser).line);
    stmt->expr = parse_expr(parser);
    stmt->body = parse_block(parser);
    if (!parser_accept(parser, TOKEN_ELSE))
        return stmt;
    if (parser->token.kind != TOKEN_IF) {
        stmt->other = parse_block(parser);
    } else if (parser_enter(parser)) {
        stmt->other = parse_if(parser);
        parser_leave(parser);
    }
    return stmt;
}

static Stmt *parse_while(Parser *parser) {
    Stmt *stmt = ast_stmt(parser->arena, STMT_WHILE, parser_advance(parser).line);
    stmt->expr = parse_expr(parser);
    stmt->body = parse_block(parser);
    return stmt;
}

static Stmt *parse_stmt(Parser *parser) {
    switch (parser->token.kind) {
    case TOKEN_LET: return parse_let(parser);
    case TOKEN_FN: return parse_fn(parser);
    case TOKEN_RETURN: return parse_return(parser);
    case TOKEN_IF: return parse_if(parser);
    case TOKEN_WHILE: return parse_while(parser);
    case TOKEN_LBRACE: return parse_block(parser);
    default: {
        Stmt *stmt = ast_stmt(parser->arena, STMT_EXPR, parser->token.line);
        stmt->expr = parse_expr(parser);
        parser_expect(parser, TOKEN_SEMICOLON);
        return stmt;
    }
    }
}

Stmt *parse_program(Parser *parser) {
    return parse_list(parser, TOKEN_END);
}
