/* From text to tokens. */
#ifndef LEXER_H
#define LEXER_H

#include "diag.h"
#include "token.h"

typedef struct {
    const char *next, *end;
    int line;
    Diag *diag;
} Lexer;

Lexer lexer_new(Text source, Diag *diag);
/* Returns the next token; TOKEN_END at the end and after a mistake. */
Token lexer_next(Lexer *lexer);

#endif
