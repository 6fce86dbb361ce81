#include "lexer.h"

#include "test.h"

static void test_kinds(void) {
    static const TokenKind wanted[] = {TOKEN_LET, TOKEN_NAME,  TOKEN_ASSIGN,    TOKEN_NUMBER, TOKEN_CARET,
                                       TOKEN_NAME, TOKEN_SEMICOLON, TOKEN_WHILE, TOKEN_LE,     TOKEN_EQ,
                                       TOKEN_NE,  TOKEN_STRING, TOKEN_END,       TOKEN_END};
    Diag diag = {0};
    Lexer lexer = lexer_new(text_from("let x1=2.5^_y;# comment\nwhile <= == != \"a b\""), &diag);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        CHECK(lexer_next(&lexer).kind == wanted[i]);
    CHECK(!diag.failed);
}

static void test_lines(void) {
    Diag diag = {0};
    Lexer lexer = lexer_new(text_from("a\n\n  b # c\nd"), &diag);
    CHECK(lexer_next(&lexer).line == 1);
    CHECK(lexer_next(&lexer).line == 3);
    CHECK(lexer_next(&lexer).line == 4);
}

static void test_mistakes(void) {
    static const char *const sources[] = {"a $ b", "\"no end", "\"no\nend\"", "a ! b"};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        Diag diag = {0};
        Lexer lexer = lexer_new(text_from(sources[i]), &diag);
        while (lexer_next(&lexer).kind != TOKEN_END)
            continue;
        CHECK(diag.failed && diag.line == 1);
    }
}

int main(void) {
    test_kinds();
    test_lines();
    test_mistakes();
    return TEST_RESULT();
}
