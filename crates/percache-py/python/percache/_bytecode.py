"""Compiled code: what of it counts, and which variables it reads and sets."""

import sys
import types

#: What else than its instructions tells what a function is: that it takes *args, is a generator, a coroutine and so on.
_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x100 | 0x200
_DOCSTRING = 0x4000000
_MISSING = object()


def codes(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def describe(code, doc=None):
    """Returns what counts of compiled code."""
    constants = []
    nested = False
    line_number = _line_number_of_class(code)
    for place, constant in enumerate(code.co_consts):
        if place == 0 and doc is not None and constant == doc:
            constant = None
        elif place == line_number:
            constant = None
        elif isinstance(constant, types.CodeType):
            has_doc = bool(constant.co_flags & _DOCSTRING) and constant.co_consts
            constant = describe(constant, constant.co_consts[0] if has_doc else None)
            nested = True
            constants.append(constant)
            continue
        elif nested and isinstance(constant, str):
            # Before Python 3.11, the qualified name of a nested function is a constant.
            constant = constant.rpartition("<locals>.")[2]
        nested = False
        constants.append(constant)
    return (
        code.co_code,
        constants,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS),
        code.co_name,
        getattr(code, "co_exceptiontable", b""),
    )


def _line_number_of_class(code):
    """Returns which constant is the line of a class that is defined here, since Python 3.13."""
    if "__firstlineno__" not in code.co_names:
        return None
    import dis

    before = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "STORE_NAME" and instruction.argval == "__firstlineno__":
            return before.arg if before is not None and before.opname == "LOAD_CONST" else None
        before = instruction
    return None


_opcodes = None


def global_names(code):
    """Returns the names of the global variables that code reads, and of those that it sets."""
    global _opcodes
    if _opcodes is None:
        import opcode

        names = opcode.opmap
        _opcodes = {
            names["LOAD_GLOBAL"]: (0, 1 if sys.version_info >= (3, 11) else 0),
            names["LOAD_NAME"]: (0, 0),
            names["STORE_GLOBAL"]: (1, 0),
            names["DELETE_GLOBAL"]: (1, 0),
            names["EXTENDED_ARG"]: None,
        }
    found = set(), set()
    extended = 0
    instructions = code.co_code
    for place in range(0, len(instructions), 2):
        meant = _opcodes.get(instructions[place], _MISSING)
        argument = instructions[place + 1] | extended
        extended = 0
        if meant is None:
            extended = argument << 8
        elif meant is not _MISSING:
            which, shift = meant
            if argument >> shift < len(code.co_names):
                found[which].add(code.co_names[argument >> shift])
    return found


def captured_uses(code, name):
    """Returns what code does with a captured variable: "read", "set" (it is only state), or "attributes are set"."""
    import dis

    uses = set()
    for each in codes(code):
        if name not in each.co_freevars and name not in each.co_cellvars:
            continue
        instructions = [one for one in dis.get_instructions(each) if one.opname not in ("CACHE", "EXTENDED_ARG")]
        for one, following in zip(instructions, instructions[1:] + [None]):
            argument = one.argval
            if argument != name and not (isinstance(argument, tuple) and name in argument):
                continue
            if one.opname.startswith(("STORE_DEREF", "DELETE_DEREF")):
                return "set"
            if one.opname.startswith(("COPY_FREE_VARS", "MAKE_CELL")):
                continue
            if one.opname.startswith("LOAD") and following is not None and following.opname == "STORE_ATTR":
                uses.add("attributes are set")
            elif one.opname in ("LOAD_CLOSURE",) or _makes_closure(one, each, name):
                # What the nested function does with it is looked at there.
                continue
            else:
                uses.add("read")
    return "attributes are set" if uses == {"attributes are set"} else "read"


def _makes_closure(instruction, code, name):
    """Since Python 3.13, cells are loaded as variables are to make a closure."""
    return instruction.opname == "LOAD_FAST" and (name in code.co_freevars or name in code.co_cellvars)
