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
    Text text; /* of a string: what stands between the quotes */
} Token;

/* The keyword that the text spells, else TOKEN_NAME. */
TokenKind token_keyword(Text text);
/* How a message names a token of this kind. */
const char *token_kind_name(TokenKind kind);

#endif
