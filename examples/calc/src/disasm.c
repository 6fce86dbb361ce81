#include "disasm.h"

#include "builtins.h"

typedef enum { NONE, CONST, SLOT, GLOBAL, BUILTIN, TARGET, COUNT } OperandKind;

static const struct {
    const char *name;
    OperandKind operand;
} table[] = {
#define X(name, operand) {#name, operand},
    OPCODES(X)
#undef X
};

static void write_operand(Strbuf *buffer, const Function *function, Instruction instruction) {
    switch (table[instruction.op].operand) {
    case NONE: break;
    case CONST:
        strbuf_printf(buffer, " %d = ", instruction.operand);
        value_write(buffer, function->constants[instruction.operand]);
        break;
    case BUILTIN: strbuf_printf(buffer, " %s", builtin_at(instruction.operand)->name); break;
    case TARGET: strbuf_printf(buffer, " -> %d", instruction.operand); break;
    case SLOT:
    case GLOBAL:
    case COUNT: strbuf_printf(buffer, " %d", instruction.operand); break;
    }
}

void disasm_function(Strbuf *buffer, const Function *function) {
    strbuf_printf(buffer, "%.*s/%d:\n", (int)function->name.length, function->name.bytes, function->arity);
    for (int i = 0; i < function->length; i++) {
        strbuf_printf(buffer, "%5d  %-13s", i, table[function->code[i].op].name);
        write_operand(buffer, function, function->code[i]);
        strbuf_printf(buffer, "\n");
    }
    for (int i = 0; i < function->constant_count; i++)
        if (function->constants[i].kind == VALUE_FUNCTION)
            disasm_function(buffer, function->constants[i].as.function);
}
