#include "repl.h"

#include <stdio.h>

void repl_run(Session *session) {
    char line[1024];
    while (fputs("> ", stdout), fflush(stdout), fgets(line, sizeof line, stdin) != NULL) {
        Strbuf output = {0};
        const Diag diag = session_run(session, text_from(line), &output);
        fwrite(output.bytes != NULL ? output.bytes : "", 1, output.length, stdout);
        if (diag.failed)
            printf("error: %s\n", diag.message);
        strbuf_free(&output);
    }
    putchar('\n');
}
