#include <stdio.h>

#include "file.h"
#include "options.h"
#include "program.h"
#include "repl.h"

static const char usage[] = "usage: calc run [--fold=on|off] FILE    runs a program\n"
                            "       calc dump [--fold=on|off] FILE   shows its code\n"
                            "       calc repl                        runs lines from the standard input\n";

static int run_file(Session *session, const Options *options) {
    Strbuf source = {0}, output = {0};
    if (!file_read(options->file, &source)) {
        perror(options->file);
        return 2;
    }
    const Diag diag = options->action == ACTION_RUN ? session_run(session, strbuf_text(&source), &output)
                                                    : session_dump(session, strbuf_text(&source), &output);
    const Text text = strbuf_text(&output);
    fwrite(text.bytes, 1, text.length, stdout);
    fflush(stdout);
    if (diag.failed)
        fprintf(stderr, "%s:%d: error: %s\n", options->file, diag.line, diag.message);
    strbuf_free(&source);
    strbuf_free(&output);
    return diag.failed ? 1 : 0;
}

int main(int count, char **arguments) {
    Options options;
    if (!options_parse(&options, count, arguments)) {
        fputs(usage, stderr);
        return 2;
    }
    if (options.action == ACTION_HELP) {
        fputs(usage, stdout);
        return 0;
    }
    Session *session = session_new(options.fold);
    if (session == NULL) {
        fputs("calc: out of memory\n", stderr);
        return 70;
    }
    int status = 0;
    if (options.action == ACTION_REPL)
        repl_run(session);
    else
        status = run_file(session, &options);
    session_free(session);
    return status;
}
