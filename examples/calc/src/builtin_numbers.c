#include <math.h>

#include "builtin_functions.h"

bool builtin_expect(CallContext *context, Value value, ValueKind kind, const char *function) {
    if (value.kind == kind)
        return true;
    diag_report(context->diag, context->line, "`%s` takes %s, not %s", function, value_kind_name(kind),
                value_kind_name(value.kind));
    return false;
}

Value builtin_sqrt(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_NUMBER, "sqrt"))
        return value_nil();
    if (arguments[0].as.number < 0) {
        diag_report(context->diag, context->line, "a negative number has no square root");
        return value_nil();
    }
    return value_number(sqrt(arguments[0].as.number));
}

Value builtin_floor(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_NUMBER, "floor"))
        return value_nil();
    return value_number(floor(arguments[0].as.number));
}

Value builtin_abs(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_NUMBER, "abs"))
        return value_nil();
    return value_number(fabs(arguments[0].as.number));
}

Value builtin_min(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_NUMBER, "min") ||
        !builtin_expect(context, arguments[1], VALUE_NUMBER, "min"))
        return value_nil();
    return value_number(fmin(arguments[0].as.number, arguments[1].as.number));
}

Value builtin_max(CallContext *context, const Value *arguments) {
    if (!builtin_expect(context, arguments[0], VALUE_NUMBER, "max") ||
        !builtin_expect(context, arguments[1], VALUE_NUMBER, "max"))
        return value_nil();
    return value_number(fmax(arguments[0].as.number, arguments[1].as.number));
}
