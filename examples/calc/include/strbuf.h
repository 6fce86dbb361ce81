/* A string that grows. */
#ifndef STRBUF_H
#define STRBUF_H

#include <stdarg.h>
#include <stddef.h>

#include "text.h"

typedef struct {
    char *bytes; /* ends with a zero byte once something has been added */
    size_t length, capacity;
} Strbuf;

void strbuf_add(Strbuf *buffer, const char *bytes, size_t length);
void strbuf_printf(Strbuf *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
Text strbuf_text(const Strbuf *buffer);
void strbuf_free(Strbuf *buffer);

#endif
