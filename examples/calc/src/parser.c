#include "parser.h"

enum { MAX_DEPTH = 200 };

Parser parser_new(Text source, Arena *arena, Diag *diag) {
    Parser parser = {.lexer = lexer_new(source, diag), .arena = arena, .diag = diag};
    parser.token = lexer_next(&parser.lexer);
    return parser;
}

Token parser_advance(Parser *parser) {
    Token token = parser->token;
    parser->token = lexer_next(&parser->lexer);
    return token;
}

bool parser_accept(Parser *parser, TokenKind kind) {
    if (parser->token.kind != kind)
        return false;
    parser_advance(parser);
    return true;
}

/* After a mistake, the rest of the source is skipped, so that every loop over tokens ends. */
static void give_up(Parser *parser) {
    parser->lexer.next = parser->lexer.end;
    parser->token.kind = TOKEN_END;
}

Token parser_expect(Parser *parser, TokenKind kind) {
    if (parser->token.kind == kind)
        return parser_advance(parser);
    diag_report(parser->diag, parser->token.line, "expected %s, found %s", token_kind_name(kind),
                token_kind_name(parser->token.kind));
    give_up(parser);
    return parser->token;
}

bool parser_enter(Parser *parser) {
    if (++parser->depth <= MAX_DEPTH)
        return true;
    diag_report(parser->diag, parser->token.line, "nested too deeply");
    give_up(parser);
    return false;
}

void parser_leave(Parser *parser) {
    parser->depth--;
}
