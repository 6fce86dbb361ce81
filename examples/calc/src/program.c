#include "program.h"

#include <stdlib.h>

#include "compile.h"
#include "disasm.h"
#include "fold.h"
#include "parser.h"
#include "vm.h"

struct Session {
    bool fold;
    Arena arena;
    Scope globals;
    Vm vm;
};

Session *session_new(bool fold) {
    Session *session = calloc(1, sizeof *session);
    if (session != NULL)
        session->fold = fold;
    return session;
}

void session_free(Session *session) {
    if (session != NULL)
        arena_free(&session->arena);
    free(session);
}

static Function *compile_source(Session *session, Text source, Diag *diag) {
    /* Names are kept for the next source, for longer than the caller keeps the text. */
    const Text kept = {arena_copy(&session->arena, source.bytes, source.length), source.length};
    Parser parser = parser_new(kept, &session->arena, diag);
    Stmt *program = parse_program(&parser);
    if (diag->failed)
        return NULL;
    if (session->fold)
        fold_program(program);
    return compile_program(program, &session->globals, &session->arena, diag);
}

Diag session_run(Session *session, Text source, Strbuf *output) {
    Diag diag = {0};
    const Function *program = compile_source(session, source, &diag);
    if (!diag.failed) {
        session->vm.arena = &session->arena;
        session->vm.diag = &diag;
        session->vm.output = output;
        vm_run(&session->vm, program);
    }
    return diag;
}

Diag session_dump(Session *session, Text source, Strbuf *output) {
    Diag diag = {0};
    const Function *program = compile_source(session, source, &diag);
    if (!diag.failed)
        disasm_function(output, program);
    return diag;
}
