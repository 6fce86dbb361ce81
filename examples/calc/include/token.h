/* The words of the language. */
#ifndef TOKEN_H
#define TOKEN_H

#include "keywords.h"
#include "text.h"

typedef enum {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_LPAREN,
    TOKEN_RPAREN,
    TOKEN_LBRACE,
    TOKEN_RBRACE,
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
    TOKEN_ASSIGN,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_STAR,
    TOKEN_SLASH,
    TOKEN_PERCENT,
    TOKEN_CARET,
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
#define X(token, word) TOKEN_##token,
    KEYWORDS(X)
#undef X
} TokenKind;

typedef struct {
    TokenKind kind;
    int line;
    Text text; /* of a string: the text between the quotes */
} Token;

/* Returns the keyword that the text spells, or TOKEN_NAME. */
TokenKind token_keyword(Text text);
/* Returns the name of a kind of token, for messages. */
const char *token_kind_name(TokenKind kind);

#endif
