#include "program.h"
#include "test.h"

/* What a program prints, or its mistake, must be the same with and without folding. */
static void check(const char *source, const char *wanted) {
    for (int fold = 0; fold <= 1; fold++) {
        Session *session = session_new(fold != 0);
        Strbuf output = {0};
        const Diag diag = session_run(session, text_from(source), &output);
        CHECK_STRING(diag.failed ? diag.message : strbuf_text(&output).bytes, wanted);
        strbuf_free(&output);
        session_free(session);
    }
}

static void test_session(void) {
    Session *session = session_new(true);
    Strbuf output = {0};
    CHECK(!session_run(session, text_from("let x = 20;"), &output).failed);
    CHECK(session_run(session, text_from("x = 1 / 0;"), &output).failed);
    CHECK(!session_run(session, text_from("print(x + 1);"), &output).failed);
    CHECK_STRING(output.bytes, "21\n");
    strbuf_free(&output);
    session_free(session);
}

int main(void) {
    check("print(1 + 2 * 3 ^ 2);", "19\n");
    check("print(7 % 3); print(1 / 4); print(1 < 2 and 2 >= 2);", "1\n0.25\ntrue\n");
    check("print(\"a\" + \"b\" == \"ab\");", "true\n");
    check("let i = 0; while i < 3 { i = i + 1; if i == 2 { print(\"two\"); } else { print(i); } }", "1\ntwo\n3\n");
    check("fn f(n) { let r = 1; while n > 1 { let m = n; r = r * m; n = n - 1; } return r; } print(f(10));",
          "3628800\n");
    check("fn odd(n) { if n == 0 { return false; } return even(n - 1); }"
          "fn even(n) { if n == 0 { return true; } return odd(n - 1); } print(even(100));",
          "true\n");
    check("print(number(\"12x\")); print(length(text(1.5))); print(slice(\"percache\", 3, 5));", "nil\n3\ncache\n");
    check("print(1 % 0);", "division by zero");
    check("print(1 + \"a\");", "an operator takes two numbers or two strings");
    check("fn f(n) { return f(n); } f(1);", "functions call each other too deeply");
    check("max(1);", "`max` takes 2 arguments, not 1");
    check("let n = nil; n();", "nil cannot be called");
    test_session();
    return TEST_RESULT();
}
