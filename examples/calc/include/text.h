/* A stretch of bytes that belongs to someone else. */
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
/* Below zero, zero or above, in the order of bytes. */
int text_compare(Text a, Text b);

#endif
