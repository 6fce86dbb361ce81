#include "lexer.h"

#include <ctype.h>

Lexer lexer_new(Text source, Diag *diag) {
    return (Lexer){.next = source.bytes, .end = source.bytes + source.length, .line = 1, .diag = diag};
}

static int peek(const Lexer *lexer) {
    return lexer->next < lexer->end ? (unsigned char)*lexer->next : -1;
}

static bool accept(Lexer *lexer, char wanted) {
    if (peek(lexer) != (unsigned char)wanted)
        return false;
    lexer->next++;
    return true;
}

static Token token_since(const Lexer *lexer, TokenKind kind, const char *start) {
    return (Token){.kind = kind, .line = lexer->line, .text = {start, (size_t)(lexer->next - start)}};
}

static Token mistake(Lexer *lexer, const char *message) {
    diag_report(lexer->diag, lexer->line, "%s", message);
    lexer->next = lexer->end;
    return token_since(lexer, TOKEN_END, lexer->end);
}

static void skip_space(Lexer *lexer) {
    for (; lexer->next < lexer->end; lexer->next++) {
        if (*lexer->next == '#')
            while (lexer->next < lexer->end && *lexer->next != '\n')
                lexer->next++;
        if (lexer->next == lexer->end || !isspace(peek(lexer)))
            return;
        if (*lexer->next == '\n')
            lexer->line++;
    }
}

static Token lex_name(Lexer *lexer, const char *start) {
    while (isalnum(peek(lexer)) || peek(lexer) == '_')
        lexer->next++;
    Token token = token_since(lexer, TOKEN_NAME, start);
    token.kind = token_keyword(token.text);
    return token;
}

static Token lex_number(Lexer *lexer, const char *start) {
    while (isdigit(peek(lexer)))
        lexer->next++;
    if (accept(lexer, '.'))
        while (isdigit(peek(lexer)))
            lexer->next++;
    return token_since(lexer, TOKEN_NUMBER, start);
}

static Token lex_string(Lexer *lexer, const char *start) {
    while (peek(lexer) != '"') {
        if (peek(lexer) < 0 || peek(lexer) == '\n')
            return mistake(lexer, "a string does not end on its line");
        lexer->next++;
    }
    Token token = token_since(lexer, TOKEN_STRING, start);
    lexer->next++;
    return token;
}

Token lexer_next(Lexer *lexer) {
    skip_space(lexer);
    const char *start = lexer->next;
    const int first = peek(lexer);
    if (first < 0)
        return token_since(lexer, TOKEN_END, start);
    lexer->next++;
    if (isalpha(first) || first == '_')
        return lex_name(lexer, start);
    if (isdigit(first))
        return lex_number(lexer, start);
    switch (first) {
    case '"': return lex_string(lexer, start + 1);
    case '(': return token_since(lexer, TOKEN_LPAREN, start);
    case ')': return token_since(lexer, TOKEN_RPAREN, start);
    case '{': return token_since(lexer, TOKEN_LBRACE, start);
    case '}': return token_since(lexer, TOKEN_RBRACE, start);
    case ',': return token_since(lexer, TOKEN_COMMA, start);
    case ';': return token_since(lexer, TOKEN_SEMICOLON, start);
    case '+': return token_since(lexer, TOKEN_PLUS, start);
    case '-': return token_since(lexer, TOKEN_MINUS, start);
    case '*': return token_since(lexer, TOKEN_STAR, start);
    case '/': return token_since(lexer, TOKEN_SLASH, start);
    case '%': return token_since(lexer, TOKEN_PERCENT, start);
    case '^': return token_since(lexer, TOKEN_CARET, start);
    case '=': return token_since(lexer, accept(lexer, '=') ? TOKEN_EQ : TOKEN_ASSIGN, start);
    case '<': return token_since(lexer, accept(lexer, '=') ? TOKEN_LE : TOKEN_LT, start);
    case '>': return token_since(lexer, accept(lexer, '=') ? TOKEN_GE : TOKEN_GT, start);
    case '!':
        if (accept(lexer, '='))
            return token_since(lexer, TOKEN_NE, start);
        break;
    }
    return mistake(lexer, "a character that the language does not know");
}
