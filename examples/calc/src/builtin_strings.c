#include <stdlib.h>

#include "builtin_functions.h"

Value builtin_print(CallContext *context, const Value *arguments) {
    value_write(context->output, arguments[0]);
    strbuf_add(context->output, "\n", 1);
    return value_nil();
}

Value builtin_length(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_STRING, "length"))
        return value_nil();
    return value_number((double)arguments[0].as.string.length);
}

Value builtin_slice(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_STRING, "slice") ||
        !builtin_expect(context, arguments[1], VALUE_NUMBER, "slice") ||
        !builtin_expect(context, arguments[2], VALUE_NUMBER, "slice"))
        return value_nil();
    const Text whole = arguments[0].as.string;
    const double start = arguments[1].as.number, count = arguments[2].as.number;
    if (!(start >= 0) || !(count >= 0) || start + count > (double)whole.length) {
        diag_report(context->diag, context->line, "`slice` reaches beyond the string");
        return value_nil();
    }
    return value_string((Text){whole.bytes + (size_t)start, (size_t)count});
}

Value builtin_text(CallContext *context, const Value *arguments) {
    Strbuf buffer = {0};
    value_write(&buffer, arguments[0]);
    const char *bytes = arena_copy(context->arena, strbuf_text(&buffer).bytes, buffer.length);
    const Text text = {bytes, buffer.length};
    strbuf_free(&buffer);
    return value_string(text);
}

Value builtin_number(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_STRING, "number"))
        return value_nil();
    const Text text = arguments[0].as.string;
    const char *digits = arena_copy(context->arena, text.bytes, text.length);
    char *end = NULL;
    const double number = strtod(digits, &end);
    return end == digits || end != digits + text.length ? value_nil() : value_number(number);
}
