#include "parser.h"

#include "test.h"

static void check(const char *source, const char *wanted) {
    Arena arena = {0};
    Diag diag = {0};
    Parser parser = parser_new(text_from(source), &arena, &diag);
    Strbuf buffer = {0};
    ast_write_expr(&buffer, parse_expr(&parser));
    CHECK(!diag.failed);
    CHECK(parser.token.kind == TOKEN_END);
    CHECK_STRING(buffer.bytes, wanted);
    strbuf_free(&buffer);
    arena_free(&arena);
}

static void check_mistake(const char *source, const char *wanted) {
    Arena arena = {0};
    Diag diag = {0};
    Parser parser = parser_new(text_from(source), &arena, &diag);
    parse_program(&parser);
    CHECK_STRING(diag.message, wanted);
    arena_free(&arena);
}

int main(void) {
    check("1 + 2 * 3 - 4", "(- (+ 1 (* 2 3)) 4)");
    check("2 ^ 3 ^ 2", "(^ 2 (^ 3 2))");
    check("-2 ^ 2", "(- (^ 2 2))");
    check("a = b = not c == d", "(= a (= b (== (not c) d)))");
    check("f(1, g())(x) and true or nil", "(or (and ((f 1 (g)) x) true) nil)");
    check("(1 + 2) * \"s\"", "(* (+ 1 2) \"s\")");
    check_mistake("let = 3;", "expected a name, found `=`");
    check_mistake("print(1;", "expected `)`, found `;`");
    check_mistake("fn f( { }", "expected `)`, found `{`");
    check_mistake("while true { x = 1; ", "expected `}`, found the end of the file");
    Strbuf deep = {0};
    for (int i = 0; i < 100000; i++)
        strbuf_add(&deep, "(", 1);
    check_mistake(deep.bytes, "nested too deeply");
    strbuf_free(&deep);
    return TEST_RESULT();
}
