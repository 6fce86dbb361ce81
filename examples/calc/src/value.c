#include "value.h"

Value value_nil(void) {
    return (Value){.kind = VALUE_NIL};
}

Value value_bool(bool boolean) {
    return (Value){.kind = VALUE_BOOL, .as.boolean = boolean};
}

Value value_number(double number) {
    return (Value){.kind = VALUE_NUMBER, .as.number = number};
}

Value value_string(Text string) {
    return (Value){.kind = VALUE_STRING, .as.string = string};
}

bool value_is_true(Value value) {
    return value.kind != VALUE_NIL && (value.kind != VALUE_BOOL || value.as.boolean);
}

bool value_equal(Value a, Value b) {
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case VALUE_NIL: return true;
    case VALUE_BOOL: return a.as.boolean == b.as.boolean;
    case VALUE_NUMBER: return a.as.number == b.as.number;
    case VALUE_STRING: return text_equal(a.as.string, b.as.string);
    case VALUE_FUNCTION: return a.as.function == b.as.function;
    case VALUE_BUILTIN: return a.as.builtin == b.as.builtin;
    }
    return false;
}

const char *value_kind_name(ValueKind kind) {
    static const char *const names[] = {"nil", "a boolean", "a number", "a string", "a function", "a function"};
    return names[kind];
}

void value_write(Strbuf *buffer, Value value) {
    switch (value.kind) {
    case VALUE_NIL: strbuf_printf(buffer, "nil"); break;
    case VALUE_BOOL: strbuf_printf(buffer, value.as.boolean ? "true" : "false"); break;
    case VALUE_NUMBER: strbuf_printf(buffer, "%.14g", value.as.number); break;
    case VALUE_STRING: strbuf_add(buffer, value.as.string.bytes, value.as.string.length); break;
    case VALUE_FUNCTION:
    case VALUE_BUILTIN: strbuf_printf(buffer, "function"); break;
    }
}
