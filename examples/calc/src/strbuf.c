#include "strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(Strbuf *buffer, size_t more) {
    const size_t wanted = buffer->length + more + 1;
    if (wanted <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : 64;
    while (capacity < wanted)
        capacity *= 2;
    char *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL) {
        fputs("calc: out of memory\n", stderr);
        exit(70);
    }
    buffer->bytes = bytes;
    buffer->capacity = capacity;
}

void strbuf_add(Strbuf *buffer, const char *bytes, size_t length) {
    reserve(buffer, length);
    if (length > 0)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

void strbuf_printf(Strbuf *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        reserve(buffer, (size_t)length);
        vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

Text strbuf_text(const Strbuf *buffer) {
    return (Text){.bytes = buffer->bytes != NULL ? buffer->bytes : "", .length = buffer->length};
}

void strbuf_free(Strbuf *buffer) {
    free(buffer->bytes);
    *buffer = (Strbuf){0};
}
