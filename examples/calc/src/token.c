#include "token.h"

TokenKind token_keyword(Text text) {
#define X(token, word)                       \
    if (text_equal(text, text_from(word))) \
        return TOKEN_##token;
    KEYWORDS(X)
#undef X
    return TOKEN_NAME;
}

const char *token_kind_name(TokenKind kind) {
    static const char *const names[] = {
        [TOKEN_END] = "the end of the file", [TOKEN_NAME] = "a name",  [TOKEN_NUMBER] = "a number",
        [TOKEN_STRING] = "a string",         [TOKEN_LPAREN] = "`(`",   [TOKEN_RPAREN] = "`)`",
        [TOKEN_LBRACE] = "`{`",              [TOKEN_RBRACE] = "`}`",   [TOKEN_COMMA] = "`,`",
        [TOKEN_SEMICOLON] = "`;`",           [TOKEN_ASSIGN] = "`=`",   [TOKEN_PLUS] = "`+`",
        [TOKEN_MINUS] = "`-`",               [TOKEN_STAR] = "`*`",     [TOKEN_SLASH] = "`/`",
        [TOKEN_PERCENT] = "`%`",             [TOKEN_CARET] = "`^`",    [TOKEN_EQ] = "`==`",
        [TOKEN_NE] = "`!=`",                 [TOKEN_LT] = "`<`",       [TOKEN_LE] = "`<=`",
        [TOKEN_GT] = "`>`",                  [TOKEN_GE] = "`>=`",
#define X(token, word) [TOKEN_##token] = "`" word "`",
        KEYWORDS(X)
#undef X
    };
    return names[kind];
}
