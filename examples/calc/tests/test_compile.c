#include "program.h"
#include "test.h"

static void check(const char *source, const char *wanted) {
    Session *session = session_new(true);
    Strbuf output = {0};
    const Diag diag = session_dump(session, text_from(source), &output);
    CHECK_STRING(diag.failed ? diag.message : output.bytes, wanted);
    strbuf_free(&output);
    session_free(session);
}

int main(void) {
    check("let x = 1 + 2;", "main/0:\n"
                            "    0  CONST         0 = 3\n"
                            "    1  STORE_GLOBAL  0\n"
                            "    2  POP          \n"
                            "    3  NIL          \n"
                            "    4  RETURN       \n");
    check("fn id(a) { return a; }", "main/0:\n"
                                    "    0  CONST         0 = function\n"
                                    "    1  STORE_GLOBAL  0\n"
                                    "    2  POP          \n"
                                    "    3  NIL          \n"
                                    "    4  RETURN       \n"
                                    "id/1:\n"
                                    "    0  LOAD_LOCAL    0\n"
                                    "    1  RETURN       \n"
                                    "    2  NIL          \n"
                                    "    3  RETURN       \n");
    check("x = 1;", "no variable is named `x`");
    check("print(y);", "nothing is named `y`");
    check("let a = 1; let a = 2;", "`a` is declared twice");
    check("return 1;", "`return` stands outside of a function");
    return TEST_RESULT();
}
