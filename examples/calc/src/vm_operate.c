#include <math.h>
#include <string.h>

#include "vm.h"

static Value join(Vm *vm, Text a, Text b) {
    char *bytes = arena_alloc(vm->arena, a.length + b.length + 1);
    memcpy(bytes, a.bytes, a.length);
    memcpy(bytes + a.length, b.bytes, b.length);
    return value_string((Text){bytes, a.length + b.length});
}

static Value operate_numbers(Vm *vm, Opcode op, double a, double b) {
    switch (op) {
    case OP_ADD: return value_number(a + b);
    case OP_SUB: return value_number(a - b);
    case OP_MUL: return value_number(a * b);
    case OP_POW: return value_number(pow(a, b));
    case OP_LT: return value_bool(a < b);
    case OP_LE: return value_bool(a <= b);
    case OP_DIV:
    case OP_MOD:
        if (b == 0)
            vm_fail(vm, "division by zero");
        return value_number(op == OP_DIV ? a / b : fmod(a, b));
    default: vm_fail(vm, "no such operation on numbers"); return value_nil();
    }
}

static Value operate_strings(Vm *vm, Opcode op, Text a, Text b) {
    switch (op) {
    case OP_ADD: return join(vm, a, b);
    case OP_LT: return value_bool(text_compare(a, b) < 0);
    case OP_LE: return value_bool(text_compare(a, b) <= 0);
    default: vm_fail(vm, "no such operation on strings"); return value_nil();
    }
}

static Value operate_pair(Vm *vm, Opcode op, Value a, Value b) {
    if (op == OP_EQ)
        return value_bool(value_equal(a, b));
    if (a.kind == VALUE_NUMBER && b.kind == VALUE_NUMBER)
        return operate_numbers(vm, op, a.as.number, b.as.number);
    if (a.kind == VALUE_STRING && b.kind == VALUE_STRING)
        return operate_strings(vm, op, a.as.string, b.as.string);
    vm_fail(vm, "an operator takes two numbers or two strings");
    return value_nil();
}

void vm_operate(Vm *vm, Opcode op) {
    const Value right = vm_pop(vm);
    if (op == OP_NOT) {
        vm_push(vm, value_bool(!value_is_true(right)));
    } else if (op == OP_NEG) {
        if (right.kind != VALUE_NUMBER)
            vm_fail(vm, "only a number has a sign");
        vm_push(vm, value_number(right.kind == VALUE_NUMBER ? -right.as.number : 0));
    } else {
        const Value left = vm_pop(vm);
        vm_push(vm, operate_pair(vm, op, left, right));
    }
}
