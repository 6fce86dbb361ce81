#include "fold.h"

#include "parser.h"
#include "test.h"

static void check(const char *source, const char *wanted) {
    Arena arena = {0};
    Diag diag = {0};
    Parser parser = parser_new(text_from(source), &arena, &diag);
    Expr *expr = parse_expr(&parser);
    fold_expr(expr);
    Strbuf buffer = {0};
    ast_write_expr(&buffer, expr);
    CHECK_STRING(buffer.bytes, wanted);
    strbuf_free(&buffer);
    arena_free(&arena);
}

int main(void) {
    check("1 + 2 * 3", "7");
    check("x + 2 * 3", "(+ x 6)");
    check("f(1 + 1, 2 ^ 10)", "(f 2 1024)");
    check("1 / 0", "(/ 1 0)");
    check("not nil", "true");
    check("\"a\" + \"b\"", "(+ \"a\" \"b\")");
    return TEST_RESULT();
}
