#include "vm.h"

#include "builtins.h"

static int current_line(const Vm *vm) {
    const Frame *frame = &vm->frames[vm->depth - 1];
    return frame->function->code[frame->next - 1].line;
}

void vm_fail(Vm *vm, const char *message) {
    diag_report(vm->diag, current_line(vm), "%s", message);
}

void vm_push(Vm *vm, Value value) {
    if (vm->height == MAX_STACK)
        vm_fail(vm, "the stack is full");
    else
        vm->stack[vm->height++] = value;
}

Value vm_pop(Vm *vm) {
    return vm->stack[--vm->height];
}

static void enter(Vm *vm, const Function *function, int count) {
    if (vm->depth == MAX_FRAMES) {
        vm_fail(vm, "functions call each other too deeply");
        return;
    }
    vm->frames[vm->depth++] = (Frame){.function = function, .next = 0, .base = vm->height - count};
}

static void check_count(Vm *vm, Text name, int wanted, int given) {
    if (wanted != given)
        diag_report(vm->diag, current_line(vm), "`%.*s` takes %d arguments, not %d", (int)name.length, name.bytes,
                    wanted, given);
}

static void call(Vm *vm, int count) {
    const Value callee = vm->stack[vm->height - count - 1];
    if (callee.kind == VALUE_FUNCTION) {
        check_count(vm, callee.as.function->name, callee.as.function->arity, count);
        enter(vm, callee.as.function, count);
    } else if (callee.kind == VALUE_BUILTIN) {
        check_count(vm, text_from(callee.as.builtin->name), callee.as.builtin->arity, count);
        if (vm->diag->failed)
            return;
        CallContext context = {.arena = vm->arena, .output = vm->output, .diag = vm->diag, .line = current_line(vm)};
        const Value result = callee.as.builtin->call(&context, &vm->stack[vm->height - count]);
        vm->height -= count + 1;
        vm_push(vm, result);
    } else {
        diag_report(vm->diag, current_line(vm), "%s cannot be called", value_kind_name(callee.kind));
    }
}

static void leave(Vm *vm) {
    const Value result = vm_pop(vm);
    vm->height = vm->frames[--vm->depth].base - 1; /* the callee is below its arguments */
    if (vm->depth > 0)
        vm_push(vm, result);
}

static void step(Vm *vm) {
    Frame *frame = &vm->frames[vm->depth - 1];
    const Instruction instruction = frame->function->code[frame->next++];
    const int operand = instruction.operand;
    switch (instruction.op) {
    case OP_CONST: vm_push(vm, frame->function->constants[operand]); break;
    case OP_NIL: vm_push(vm, value_nil()); break;
    case OP_TRUE: vm_push(vm, value_bool(true)); break;
    case OP_FALSE: vm_push(vm, value_bool(false)); break;
    case OP_POP: vm->height--; break;
    case OP_LOAD_LOCAL: vm_push(vm, vm->stack[frame->base + operand]); break;
    case OP_STORE_LOCAL: vm->stack[frame->base + operand] = vm->stack[vm->height - 1]; break;
    case OP_LOAD_GLOBAL: vm_push(vm, vm->globals[operand]); break;
    case OP_STORE_GLOBAL: vm->globals[operand] = vm->stack[vm->height - 1]; break;
    case OP_BUILTIN: vm_push(vm, (Value){.kind = VALUE_BUILTIN, .as.builtin = builtin_at(operand)}); break;
    case OP_JUMP: frame->next = operand; break;
    case OP_JUMP_IF_FALSE:
        if (!value_is_true(vm->stack[vm->height - 1]))
            frame->next = operand;
        break;
    case OP_CALL: call(vm, operand); break;
    case OP_RETURN: leave(vm); break;
    default: vm_operate(vm, instruction.op);
    }
}

void vm_run(Vm *vm, const Function *program) {
    vm->height = 1; /* the place of the callee; nobody called this one */
    vm->depth = 0;
    vm->frames[vm->depth++] = (Frame){.function = program, .next = 0, .base = 1};
    while (vm->depth > 0 && !vm->diag->failed)
        step(vm);
}
