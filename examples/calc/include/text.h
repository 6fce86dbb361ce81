/* A range of bytes that belongs to someone else. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *bytes;
    size_t length;
} Text;

Text text_from(const char *string);
bool text_equal(Text a, Text b);
/* Compares by bytes. Returns a number below zero, zero, or a number above zero. */
int text_compare(Text a, Text b);

#endif
