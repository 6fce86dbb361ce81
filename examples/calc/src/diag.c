#include "diag.h"

#include <stdarg.h>
#include <stdio.h>

void diag_report(Diag *diag, int line, const char *format, ...) {
    if (diag->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(diag->message, sizeof diag->message, format, arguments);
    va_end(arguments);
    diag->failed = true;
    diag->line = line;
}
