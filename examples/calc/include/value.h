/* The values that a program computes with. */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>

#include "strbuf.h"
#include "text.h"

typedef struct Function Function;
typedef struct Builtin Builtin;

typedef enum { VALUE_NIL, VALUE_BOOL, VALUE_NUMBER, VALUE_STRING, VALUE_FUNCTION, VALUE_BUILTIN } ValueKind;

typedef struct {
    ValueKind kind;
    union {
        bool boolean;
        double number;
        Text string;
        const Function *function;
        const Builtin *builtin;
    } as;
} Value;

Value value_nil(void);
Value value_bool(bool boolean);
Value value_number(double number);
Value value_string(Text string);

bool value_is_true(Value value);
bool value_equal(Value a, Value b);
const char *value_kind_name(ValueKind kind);
/* Appends the value as `print` shows it. */
void value_write(Strbuf *buffer, Value value);

#endif
