/* From tokens to trees. */
#ifndef PARSER_H
#define PARSER_H

#include "ast.h"
#include "diag.h"
#include "lexer.h"

typedef struct {
    Lexer lexer;
    Token token; /* the current one */
    int depth;   /* how deeply expressions and blocks are nested here */
    Arena *arena;
    Diag *diag;
} Parser;

Parser parser_new(Text source, Arena *arena, Diag *diag);
/* Returns the statements up to the end of the source; meaningless after a mistake. */
Stmt *parse_program(Parser *parser);
Expr *parse_expr(Parser *parser);

/* What the parts of the parser share. */
Token parser_advance(Parser *parser);
bool parser_accept(Parser *parser, TokenKind kind);
Token parser_expect(Parser *parser, TokenKind kind);
/* Counts a level of nesting; too many are a mistake. */
bool parser_enter(Parser *parser);
void parser_leave(Parser *parser);

#endif
